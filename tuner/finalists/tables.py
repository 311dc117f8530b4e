"""What the finals say: for the tracking, for `best.yaml`, as files, as lines of text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.files import write_text
from tuner.journal.record import TrialRecord
from tuner.results.seed_race import SeedCandidate, SeedVerdict
from tuner.results.selection import ranked
from tuner.statistics import aligned
from tuner.study.settings import Metric
from tuner.text import shown

Trials = Mapping[int, TrialRecord]  # of the search, by number
FILES = ("finalists.md", "finalists.json")


def origin(found: SeedVerdict, seed: int) -> dict[str, Any]:
    """What `best.yaml` says of the finals; `seed` is of the run that it trains again."""
    count = len(found.winner.values)
    said = {"seed": seed, "selected": f"value is of the best of {count} runs; expect the mean"}
    said |= _figures(found.winner) | {"seeds": list(found.winner.values)}
    if found.runner_up is not None:
        said["runner_up"] = {
            "trial": found.runner_up.number,
            **_figures(found.runner_up),
            **_difference(found),
        }
    return said | ({"ended": found.ended} if found.ended else {})


def figures(found: SeedVerdict) -> dict[str, float]:
    """Numbers for the tracking."""
    low, high = found.winner.interval
    numbers = {
        "best/mean": found.winner.mean,
        "best/error": found.winner.error,
        "best/low": low,
        "best/high": high,
    }
    numbers |= {"runs": float(found.runs), "seeds": float(len(found.winner.values))}
    numbers |= {f"trial {each.number}/mean": each.mean for each in found.course.candidates}
    if found.difference is not None:
        between = found.difference
        numbers |= {"runner-up less best/mean": between.mean}
        numbers |= {"runner-up less best/low": between.low, "runner-up less best/high": between.high}
    return numbers


def tags(found: SeedVerdict, seed: int) -> dict[str, str]:
    """Texts for the tracking."""
    said = {"best_trial": f"{found.winner.number:04d}", "best_seed": str(seed)}
    if found.runner_up is not None:
        said |= {"runner_up": f"{found.runner_up.number:04d}", "difference": _shown(found)}
    return said


def write(found: SeedVerdict, trials: Trials, metric: Metric, out: Path) -> list[Path]:
    """Write the table for people and the numbers for programs; returns both files."""
    candidates = [
        {
            "trial": each.number, "params": trials[each.number].params,
            "search_value": trials[each.number].value,
            "values": {str(seed): value for seed, value in each.values.items()},
            **_figures(each), "dropped_after": each.dropped,
        }
        for each in found.course.candidates
    ]  # fmt: skip
    content = {
        "metric": metric.name, "mode": metric.mode, "seeds": found.course.seeds, "runs": found.runs,
        "ended": found.ended or None, "winner": found.winner.number,
        "runner_up": found.runner_up and {"trial": found.runner_up.number, **_difference(found)},
        "candidates": candidates,
    }  # fmt: skip
    write_text(out / FILES[0], f"# Finalists\n\n{table(found, trials, metric)}")
    write_text(out / FILES[1], json.dumps(content, indent=2, allow_nan=False) + "\n")
    return [out / name for name in FILES]


def table(found: SeedVerdict, trials: Trials, metric: Metric) -> str:
    """The finals as Markdown that also reads well as text, the winner first."""
    rows: list[tuple[str, ...]] = [
        ("trial", "runs", "failed", "mean", "standard error", "95 % interval", "in the search", "")
    ]
    for each in found.course.candidates:
        low, high = each.interval
        span = f"{low:.4f} to {high:.4f}" if math.isfinite(low) else "-"
        moments = [f"{number:.4f}" if math.isfinite(number) else "-" for number in (each.mean, each.error)]
        once = f"{trials[each.number].value:.4f}"
        head = (str(each.number), str(len(each.values)), str(each.failed), *moments, span, once)
        rows.append((*head, _place(found, each)))
    better = "lower" if metric.mode == "min" else "higher"
    notes = [
        f"{metric.name}: {better} is better. Each run has a seed that the search did not use; the winner has",
        "the best mean made worse by one standard error. Intervals: Student's t, not adjusted for the number",
        "of candidates.",
    ]
    notes += [f"Runner-up less winner: {_span(found)}."] if found.difference else []
    notes += [f"Ended early: {found.ended}."] if found.ended else []
    return "\n".join([*aligned(rows), "", *notes]) + "\n"


def rows(found: SeedVerdict, trials: Trials, metric: Metric) -> list[tuple[str, str]]:
    """The verdict as lines of a summary: title and text."""
    winner, name = found.winner, metric.name
    params = shown(trials[winner.number].params)
    lines = [("best", f"trial {winner.number}: {name} {_about(winner)}  [{params}]")]
    if found.runner_up is not None:
        about = f"trial {found.runner_up.number}: {name} {_about(found.runner_up)}"
        lines.append(("runner-up", f"{about}; less the best {_span(found)}"))
    own = ranked(list(trials.values()), metric)[0]
    if own.number != winner.number:
        lines.append(("one run", f"trial {own.number} was the best of the search: {name} {own.value:.6g}"))
    best = min(winner.values.values()) if metric.mode == "min" else max(winner.values.values())
    again = f"best.yaml is the best of its {len(winner.values)} runs, {name} {best:.6g}: expect the mean"
    return [*lines, ("finalists", _course(found)), ("note", again)]


def _course(found: SeedVerdict) -> str:
    out = [f"trial {c.number} after {c.dropped} seeds" for c in found.course.candidates if c.dropped]
    text = f"{found.runs} runs of {len(found.course.candidates)} trials with fresh seeds"
    text += f"; out of the race: {', '.join(out)}" if out else ""
    return text + (f"; ended early: {found.ended}" if found.ended else "")


def _about(candidate: SeedCandidate) -> str:
    low, high = candidate.interval
    span = f"95 % interval {low:.6g} to {high:.6g}" if math.isfinite(low) else "no interval"
    failed = f", {candidate.failed} failed" if candidate.failed else ""
    count = len(candidate.values)
    how = f"mean +- standard error of {count} seeds{failed}; {span}"
    return f"{candidate.mean:.6g} +- {candidate.error:.2g} ({how})"


def _span(found: SeedVerdict) -> str:
    between = found.difference
    if between is None or not math.isfinite(between.mean):
        return "no seed of both"
    span = f" ({between.low:+.4g} to {between.high:+.4g})" if math.isfinite(between.low) else " (no interval)"
    return f"{between.mean:+.4g}{span}: {_shown(found)}"


def _shown(found: SeedVerdict) -> str:
    return "shown" if found.difference is not None and found.difference.shown else "not shown"


def _place(found: SeedVerdict, candidate: SeedCandidate) -> str:
    if candidate.dropped is not None:
        return f"dropped after {candidate.dropped} seeds"
    return "winner" if candidate is found.winner else "runner-up" if candidate is found.runner_up else ""


def _figures(candidate: SeedCandidate) -> dict[str, Any]:
    numbers = {
        "mean": _number(candidate.mean), "standard_error": _number(candidate.error),
        "interval": _interval(*candidate.interval),
    }  # fmt: skip
    return numbers | ({"failed": candidate.failed} if candidate.failed else {})


def _difference(found: SeedVerdict) -> dict[str, Any]:
    between = found.difference
    assert between is not None
    return {
        "difference": _number(between.mean), "difference_interval": _interval(between.low, between.high),
        "shown": between.shown,
    }  # fmt: skip


def _interval(low: float, high: float) -> list[float] | None:
    return [low, high] if math.isfinite(low) else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
