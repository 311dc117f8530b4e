"""Suggestions from the runs: more seeds, later rungs, fewer failures, more trials or epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from tuner.journal.record import State
from tuner.report.elements import setting_text
from tuner.report.sections.advice_space import Advice
from tuner.report.sections.failures import by_cause, failed_trials
from tuner.report.sections.finalists import FinalistsData
from tuner.report.sections.progress import best_so_far
from tuner.report.sections.rungs import Rows
from tuner.results.study_folder import StudyFolder

_FAILED = 0.1  # fraction of the trials
_LATE = 0.8  # fraction of the trials
_STILL = 0.1  # fraction of a trial's gain that comes in its last quarter
_PAIRS = 8


def noise(search: StudyFolder, race: FinalistsData | None) -> Iterator[Advice]:
    """Suggest more seeds where runs with one seed decide."""
    study, best = search.study, search.best
    if study.finalists is None and len(search.ranked) > 1 and best is not None:
        lead = abs(search.ranked[1].value - best.value)
        whole = study.scheduler.name not in (
            "pbt",
            "pb2",
        )  # a trial of a population changes its settings, so it cannot be repeated
        yield Advice(
            "add `finalists: {top: 3, seeds: 5}`"
            if whole
            else "train the best configuration again with other seeds",
            f"the best is ahead of trial {search.ranked[1].number} by {lead:.3g} in one run each; the effect"
            " of the seed was not measured",
        )
    between = race.verdict.difference if race is not None and race.verdict is not None else None
    if race is not None and between is not None and math.isfinite(between.mean) and not between.shown:
        spread = [
            each.error * math.sqrt(len(each.values)) for each in race.race.candidates if len(each.values) > 1
        ]
        yield Advice(
            "run more seeds of the finalists, or take the cheaper of the two",
            f"winner and runner-up differ by {abs(between.mean):.3g} over {len(between.differences)} seeds,"
            f" not significant; the standard deviation between seeds is {median(spread):.3g} (median)",
        )


def rung_advice(search: StudyFolder, rungs: Rows) -> Iterator[Advice]:
    """Suggest a later first rung where it stops too early."""
    if not rungs:
        return
    first, unit = rungs[0], search.study.report_unit
    correlation, grace = first["correlation"], search.study.scheduler.grace_period
    over = [t for t in search.trials if t.state in (State.COMPLETE, State.STOPPED)]
    if (
        correlation is not None
        and first["pairs"] >= _PAIRS
        and correlation < search.study.scheduler.min_rank_correlation
    ):
        yield Advice(
            f"raise `scheduler.grace_period` above {grace}",
            f"the rank correlation of {unit} {first['rung']} with later reports is {correlation:+.2f} over"
            f" {first['pairs']} trials",
        )
    elif len(over) >= _PAIRS and first["stopped"] >= 0.6 * len(over):
        yield Advice(
            f"raise `scheduler.grace_period` above {grace}, or lower `scheduler.reduction_factor`",
            f"{first['stopped']} of {len(over)} trials were stopped at {unit} {first['rung']} already, so"
            " later reports are rarely seen",
        )


_REMEDIES = {
    "memory": "give trials more memory, or search smaller configurations",
    "not-finite": "narrow the ranges that make trials diverge, such as the upper end of the learning rate",
    "lost": "check the machines: processes died",
    "stack": "lower `resources.stack`: whole stacks failed",
}


def failing(search: StudyFolder) -> Iterator[Advice]:
    """Suggest how to avoid frequent failures."""
    for cause, row in by_cause(search).items():
        if row["trials"] >= max(2, _FAILED * len(search.trials)):
            yield Advice(
                _REMEDIES.get(cause, "correct the trial function"),
                f"{row['attempts']} attempts of {row['trials']} trials failed (`{cause}`)",
            )
    failed = failed_trials(search)
    if len(failed) >= max(2, _FAILED * len(search.trials)):
        common = _common(search, [row["params"] for row in failed])
        where = f"; all of them have {common}" if common else ""
        yield Advice(
            "exclude what fails, or correct it",
            f"{len(failed)} of {len(search.trials)} trials failed{where}; the first: {failed[0]['reason']}",
        )


def unfinished(search: StudyFolder) -> Iterator[Advice]:
    """Suggest more trials or epochs where results were still improving at the end."""
    steps = best_so_far(search)
    changes = [i for i in range(1, len(steps)) if steps[i][2] != steps[i - 1][2]]
    if len(steps) >= _PAIRS and changes and steps[changes[-1]][0] > _LATE * len(search.trials):
        gain = abs(steps[changes[-1]][2] - steps[changes[-1] - 1][2])
        yield Advice(
            f"give more than {search.study.trials} trials (`--resume --trials`)",
            f"the best was found late, as number {steps[changes[-1]][0]} of {len(search.trials)} trials in"
            f" the order of their ends, better by {gain:.3g}",
        )
    late = [share for trial in search.ranked if (share := _late_gain(search, trial.values)) is not None]
    if len(late) >= 3 and median(late) >= _STILL:
        yield Advice(
            f"train longer than {search.study.epochs} epochs",
            f"complete trials achieved {median(late):.0%} of their gain (median of {len(late)}) in the last"
            " quarter of their reports",
        )


def _late_gain(search: StudyFolder, values: Mapping[int, float]) -> float | None:
    """Return the fraction of a trial's gain that came in the last quarter of its reports."""
    full = search.study.max_reports
    start, late, end = (values.get(place, math.nan) for place in (1, full - max(1, full // 4), full))
    whole = start - end
    if full < 4 or not all(map(math.isfinite, (start, late, end))):
        return None
    if whole == 0 or (whole > 0) != (search.study.metric.mode == "min"):
        return 0.0
    return (late - end) / whole


def _common(search: StudyFolder, configurations: Sequence[Mapping[str, Any]]) -> str:
    """Return the choices that all these configurations share and some other trial does not."""
    found = []
    for path, dimension in search.study.search.items():
        values = {repr(params.get(path)) for params in configurations}
        if "choice" in dimension.to_dict() and len(values) == 1:
            others = {repr(trial.params.get(path)) for trial in search.trials}
            if len(others) > 1:
                found.append(f"{path} = {setting_text(configurations[0].get(path))}")
    return ", ".join(found)
