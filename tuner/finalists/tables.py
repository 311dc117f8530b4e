"""The verdict over the finalists: for MLflow, for `best.yaml`, as files, as lines of the summary."""

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
from tuner.text import params_text

Trials = Mapping[int, TrialRecord]  # of the search
FILES = ("finalists.md", "finalists.json")


def origin(verdict: SeedVerdict, seed: int) -> dict[str, Any]:
    """Return the verdict for `best.yaml`; `seed` is the seed of the run that it trains again."""
    count = len(verdict.winner.values)
    content = {"seed": seed, "selected": f"value is the best of {count} runs; expect the mean"}
    content |= _figures(verdict.winner) | {"seeds": list(verdict.winner.values)}
    if verdict.runner_up is not None:
        content["runner_up"] = {
            "trial": verdict.runner_up.number,
            **_figures(verdict.runner_up),
            **_difference(verdict),
        }
    return content | ({"ended": verdict.ended} if verdict.ended else {})


def metrics(verdict: SeedVerdict) -> dict[str, float]:
    """Return the metrics of the MLflow run."""
    low, high = verdict.winner.interval
    numbers = {
        "best/mean": verdict.winner.mean,
        "best/error": verdict.winner.error,
        "best/low": low,
        "best/high": high,
    }
    numbers |= {"runs": float(verdict.runs), "seeds": float(len(verdict.winner.values))}
    numbers |= {f"trial {each.number}/mean": each.mean for each in verdict.race.candidates}
    if verdict.difference is not None:
        between = verdict.difference
        numbers |= {"runner-up minus best/mean": between.mean}
        numbers |= {"runner-up minus best/low": between.low, "runner-up minus best/high": between.high}
    return numbers


def tags(verdict: SeedVerdict, seed: int) -> dict[str, str]:
    """Return the tags of the MLflow run."""
    content = {"best_trial": f"{verdict.winner.number:04d}", "best_seed": str(seed)}
    if verdict.runner_up is not None:
        content |= {"runner_up": f"{verdict.runner_up.number:04d}", "difference": _significance(verdict)}
    return content


def write_tables(verdict: SeedVerdict, trials: Trials, metric: Metric, out: Path) -> list[Path]:
    """Write the table as Markdown and the numbers as JSON; return both files."""
    candidates = [
        {
            "trial": each.number, "params": trials[each.number].params,
            "search_value": trials[each.number].value,
            "values": {str(seed): value for seed, value in each.values.items()},
            **_figures(each), "dropped_after": each.dropped,
        }
        for each in verdict.race.candidates
    ]  # fmt: skip
    content = {
        "metric": metric.name, "mode": metric.mode, "seeds": verdict.race.seeds, "runs": verdict.runs,
        "ended": verdict.ended or None, "winner": verdict.winner.number,
        "runner_up": verdict.runner_up and {"trial": verdict.runner_up.number, **_difference(verdict)},
        "candidates": candidates,
    }  # fmt: skip
    write_text(out / FILES[0], f"# Finalists\n\n{table(verdict, trials, metric)}")
    write_text(out / FILES[1], json.dumps(content, indent=2, allow_nan=False) + "\n")
    return [out / name for name in FILES]


def table(verdict: SeedVerdict, trials: Trials, metric: Metric) -> str:
    """Return the table as Markdown that is also readable as text, the winner first."""
    rows: list[tuple[str, ...]] = [
        ("trial", "runs", "failed", "mean", "standard error", "95 % interval", "in the search", "")
    ]
    for each in verdict.race.candidates:
        low, high = each.interval
        span = f"{low:.4f} to {high:.4f}" if math.isfinite(low) else "-"
        moments = [f"{number:.4f}" if math.isfinite(number) else "-" for number in (each.mean, each.error)]
        once = f"{trials[each.number].value:.4f}"
        head = (str(each.number), str(len(each.values)), str(each.failed), *moments, span, once)
        rows.append((*head, _place(verdict, each)))
    better = "lower" if metric.mode == "min" else "higher"
    notes = [
        f"{metric.name}: {better} is better. Each run has a seed that the search did not use; the winner has",
        "the best mean made worse by one standard error. Intervals: Student's t, not adjusted for the number",
        "of candidates.",
    ]
    notes += [f"Runner-up minus winner: {_span(verdict)}."] if verdict.difference else []
    notes += [f"Ended early: {verdict.ended}."] if verdict.ended else []
    return "\n".join([*aligned(rows), "", *notes]) + "\n"


def rows(verdict: SeedVerdict, trials: Trials, metric: Metric) -> list[tuple[str, str]]:
    """Return the lines of the summary: title and text."""
    winner, name = verdict.winner, metric.name
    params = params_text(trials[winner.number].params)
    lines = [("best", f"trial {winner.number}: {name} {_about(winner)}  [{params}]")]
    if verdict.runner_up is not None:
        about = f"trial {verdict.runner_up.number}: {name} {_about(verdict.runner_up)}"
        lines.append(("runner-up", f"{about}; minus the best {_span(verdict)}"))
    own = ranked(list(trials.values()), metric)[0]
    if own.number != winner.number:
        lines.append(("one run", f"trial {own.number} was the best in the search: {name} {own.value:.6g}"))
    best = min(winner.values.values()) if metric.mode == "min" else max(winner.values.values())
    again = f"best.yaml is the best of its {len(winner.values)} runs, {name} {best:.6g}: expect the mean"
    return [*lines, ("finalists", _summary(verdict)), ("note", again)]


def _summary(verdict: SeedVerdict) -> str:
    out = [f"trial {c.number} after {c.dropped} seeds" for c in verdict.race.candidates if c.dropped]
    text = f"{verdict.runs} runs of {len(verdict.race.candidates)} trials with fresh seeds"
    text += f"; dropped: {', '.join(out)}" if out else ""
    return text + (f"; ended early: {verdict.ended}" if verdict.ended else "")


def _about(candidate: SeedCandidate) -> str:
    low, high = candidate.interval
    span = f"95 % interval {low:.6g} to {high:.6g}" if math.isfinite(low) else "no interval"
    failed = f", {candidate.failed} failed" if candidate.failed else ""
    count = len(candidate.values)
    how = f"mean +- standard error of {count} seeds{failed}; {span}"
    return f"{candidate.mean:.6g} +- {candidate.error:.2g} ({how})"


def _span(verdict: SeedVerdict) -> str:
    between = verdict.difference
    if between is None or not math.isfinite(between.mean):
        return "no common seed"
    span = f" ({between.low:+.4g} to {between.high:+.4g})" if math.isfinite(between.low) else " (no interval)"
    return f"{between.mean:+.4g}{span}: {_significance(verdict)}"


def _significance(verdict: SeedVerdict) -> str:
    return "shown" if verdict.difference is not None and verdict.difference.shown else "not shown"


def _place(verdict: SeedVerdict, candidate: SeedCandidate) -> str:
    if candidate.dropped is not None:
        return f"dropped after {candidate.dropped} seeds"
    return "winner" if candidate is verdict.winner else "runner-up" if candidate is verdict.runner_up else ""


def _figures(candidate: SeedCandidate) -> dict[str, Any]:
    numbers = {
        "mean": _number(candidate.mean), "standard_error": _number(candidate.error),
        "interval": _interval(*candidate.interval),
    }  # fmt: skip
    return numbers | ({"failed": candidate.failed} if candidate.failed else {})


def _difference(verdict: SeedVerdict) -> dict[str, Any]:
    between = verdict.difference
    assert between is not None
    return {
        "difference": _number(between.mean), "difference_interval": _interval(between.low, between.high),
        "shown": between.shown,
    }  # fmt: skip


def _interval(low: float, high: float) -> list[float] | None:
    return [low, high] if math.isfinite(low) else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
