"""Paired comparisons over seeds: mean differences with 95 % intervals, and a one-sided t-test.

Shapes: S seeds that both arms of a comparison ran to the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

LEVEL = 0.95
SAME = 1e-9
SECOND = "deep supervision"

Values = Mapping[str, Mapping[int, float]]  # arm -> seed -> metric


@dataclass(frozen=True)
class Comparison:
    """One arm compared with another, seed by seed.

    Attributes:
        arm, against: names of the arms; a difference is `arm` minus `against`.
        differences: by seed, for seeds that both completed.
        low, high: 95 % interval of the mean difference by Student's t; NaN where there is none.
    """

    arm: str
    against: str
    differences: dict[int, float]
    low: float
    high: float

    @property
    def mean(self) -> float:
        """Mean difference; NaN without a seed."""
        return float(np.mean(list(self.differences.values()))) if self.differences else math.nan

    @property
    def shown(self) -> bool:
        """True where the interval excludes 0; false with fewer than two seeds."""
        return self.low > 0 or self.high < 0

    def verdict(self, mode: str) -> str:
        """Return the result as a phrase; mode "min" means that a lower metric is better."""
        if not math.isfinite(self.low):
            return "no interval"
        if not self.shown:
            return "no difference shown"
        return "better" if (self.mean < 0) == (mode == "min") else "worse"


def compare(values: Values, arm: str, against: str) -> Comparison:
    """Compare two arms, paired by seed.

    Source: Student's t on the differences, as `scipy.stats.ttest_rel(...).confidence_interval()`; runs of one
    seed share initial weights and batches, so the effect of a seed cancels out.
    """
    both = sorted(values[arm].keys() & values[against].keys())
    differences = {seed: values[arm][seed] - values[against][seed] for seed in both}
    return Comparison(arm, against, differences, *interval(list(differences.values())))


def interval(differences_S: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean.

    Without any spread there is no interval: (0, 0) where all values are 0, else (NaN, NaN), as for fewer than
    two values. Rates on few utterances are so coarse that two seeds often differ by the same step.
    """
    if not np.any(differences_S) and len(differences_S) > 1:
        return 0.0, 0.0
    if len(differences_S) < 2 or np.ptp(differences_S) < SAME:
        return math.nan, math.nan
    mean, error = float(np.mean(differences_S)), float(scipy.stats.sem(differences_S))
    low, high = scipy.stats.t.interval(LEVEL, len(differences_S) - 1, loc=mean, scale=error)
    return float(low), float(high)


def comparisons(values: Values, references: Sequence[str]) -> list[Comparison]:
    """Compare every arm with each reference, except itself and the references before it."""
    return [
        compare(values, arm, against)
        for place, against in enumerate(references)
        for arm in values
        if arm not in references[: place + 1]
    ]


def with_controls(values: Values) -> list[Comparison]:
    """Compare every arm with the first, and the last with deep supervision where that is another arm."""
    first, *_, last = values
    extra = [compare(values, last, SECOND)] if SECOND in values and last != SECOND else []
    return comparisons(values, [first]) + extra


def table(values: Values, compared: Sequence[Comparison], metric: str, mode: str) -> str:
    """Return the ablation as Markdown tables: the arms, then the differences."""
    arms = [("arm", "runs", f"mean {metric}", "standard deviation")]
    arms += [(arm, str(len(runs)), *_moments(list(runs.values()))) for arm, runs in values.items()]
    differences = [("difference", "seeds", "mean", "95 % interval", "")]
    for each in compared:
        span = f"{each.low:+.4f} to {each.high:+.4f}" if math.isfinite(each.low) else "-"
        mean = f"{each.mean:+.4f}" if each.differences else "-"
        name, seeds = f"{each.arm} minus {each.against}", str(len(each.differences))
        differences.append((name, seeds, mean, span, each.verdict(mode)))
    better = "lower" if mode == "min" else "higher"
    how = f"Student's t over paired seeds, each at 95 %,\nnot adjusted for {len(compared)} comparisons"
    note = f"{metric}: {better} is better. Intervals: {how}."
    return "\n".join([*aligned(arms), "", *aligned(differences), "", note]) + "\n"


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a Markdown table with aligned columns, as lines; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *body = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in rows
    ]
    return [head, f"|{'|'.join('-' * (width + 2) for width in widths)}|", *body]


def _moments(values: Sequence[float]) -> tuple[str, str]:
    mean = f"{np.mean(values):.4f}" if values else "-"
    return mean, f"{np.std(values, ddof=1):.4f}" if len(values) > 1 else "-"


LEAST_FREEDOM = 3


def spread(trials: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Return how much a difference to the best trial varies from report to report, pooled over trials.

    Args:
        trials: the differences of each trial to the best one, which is not included.
    Returns:
        Standard deviation of a difference (NaN with 0 degrees of freedom), and the degrees of freedom.
    """
    squares, freedom = 0.0, 0
    for differences in trials:
        if len(differences) > 1:
            squares += float(((np.asarray(differences) - np.mean(differences)) ** 2).sum())
            freedom += len(differences) - 1
    return (math.sqrt(squares / freedom) if freedom else math.nan), freedom


def clearly_worse(differences_R: Sequence[float], deviation: float, freedom: int, level: float) -> bool:
    """Return whether a trial is worse than the best one, by a one-sided t-test; lower is better.

    Args:
        differences_R: on the reports that both trials made.
        deviation, freedom: from `spread`; below 3 degrees of freedom no trial is clearly worse.
        level: probability of calling an equally good trial worse.
    """
    if freedom < LEAST_FREEDOM or not differences_R:
        return False
    error = deviation / math.sqrt(len(differences_R))
    return float(np.mean(differences_R)) > error * float(scipy.stats.t.isf(level, freedom))
