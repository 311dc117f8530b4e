"""Expected number of reports of a search, from what its scheduler lets through."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.study.study import Study


@dataclass(frozen=True)
class ExpectedReports:
    """Number of reports of a search.

    Attributes:
        reports: of all trials together.
        finals: of the finalists, at most.
        bound: whether `reports` is only an upper bound.
    """

    reports: float
    finals: int = 0
    bound: bool = False


def expected_reports(study: Study) -> ExpectedReports:
    """Return the number of reports to expect.

    none, pbt, pb2: all. early-discarding: `grace_period` of each trial, the rest of the best
    1 / `reduction_factor` and of the default. asha: see `passing`; the first trial at a rung continues, and
    so does the default. Others: at most all.

    Args:
        study: its number of reports is known (see `tuner.execution.preflight.described`).
    """
    name, every = study.scheduler.name, study.trials * study.max_reports
    final = study.finalists
    finals = 0 if final is None else min(final.top, study.trials) * final.seeds * study.max_reports
    if name == "asha":
        return ExpectedReports(_halving(study), finals)
    if name == "early-discarding":
        return ExpectedReports(_cut(study), finals)
    return ExpectedReports(every, finals, bound=name not in ("none", "pbt", "pb2"))


def passing(arrivals: float, reduction: float) -> float:
    """Return how many of the trials that reach a rung of asha continue, in expectation.

    A trial continues if it is not below the quantile 1 - 1 / reduction of the n trials before it,
    interpolated linearly. If values come in random order, evenly spread, that has the probability (n - (1 -
    1 / reduction) (n - 1)) / (n + 1), and 1 for n = 0. Above the first rung the trials are those that
    passed before, whose order is not quite random.

    Args:
        arrivals: number of trials that reach the rung; may be a fraction.
        reduction: above 1.
    """
    whole = int(arrivals)
    return sum(_chance(n, reduction) for n in range(whole)) + (arrivals - whole) * _chance(whole, reduction)


def _chance(before: int, reduction: float) -> float:
    return 1.0 if before == 0 else (before - (1 - 1 / reduction) * (before - 1)) / (before + 1)


def _halving(study: Study) -> float:
    rule, reached = study.scheduler, 0
    reports, alive, milestone = 0.0, float(study.trials), float(rule.grace_period)
    while milestone < study.max_reports:
        rung = math.ceil(milestone)
        reports += alive * (rung - reached)
        alive, reached, milestone = (
            passing(alive, rule.reduction_factor),
            rung,
            milestone * rule.reduction_factor,
        )
    return reports + alive * (study.max_reports - reached)


def _cut(study: Study) -> float:
    grace, kept = (
        study.scheduler.grace_period,
        float(math.ceil(study.trials / study.scheduler.reduction_factor)),
    )
    if study.default is not None:  # among the best by chance, else beside them
        kept += 1 - kept / study.trials
    return study.trials * grace + kept * (study.max_reports - grace)
