"""Bootstrap intervals: how much a metric would vary with other speakers of the same kind.

Speakers, not utterances, are drawn with replacement, since the scores of one speaker are alike. A draw is a
count per utterance; every metric works on counts, so scores are sorted once for all resamples.

Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), sections 3.8 (clusters) and 5.2
(percentile interval by order statistics).

Shapes: N utterances, R resamples, D detectors, S statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsd_model.errors import InputError
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.sorted_scores import Counts, Floats, Ranking, rank

Statistic: TypeAlias = Callable[[Ranking], float]

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """Middle `level` of a metric over `resamples` draws of `units` speakers or utterances (`unit`)."""

    low: float
    high: float
    level: float
    resamples: int
    unit: Unit
    units: int


def of_arrays(metric: Callable[[Floats, Floats], float]) -> Statistic:
    """Return a statistic for any metric of (bona fide scores, spoof scores); slow: sorts each resample."""
    return lambda ranking: metric(
        np.repeat(ranking.scores_N, ranking.positives_N), np.repeat(ranking.scores_N, ranking.negatives_N)
    )


def bootstrap_intervals(
    scores_N: NDArray[np.floating],
    bonafide_N: NDArray[np.bool_],
    statistics: Mapping[str, Statistic],
    sampling: Resampling,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Return percentile intervals of several metrics from the same resamples.

    Args:
        scores_N: (N,) finite scores.
        bonafide_N: (N,) true for bona fide; both classes present.
        statistics: metrics of a ranking, e.g. `min_dcf_of`; see `of_arrays` for others.
        sampling: units to draw, see `resampling`.
        rng: random generator of the draws.
        resamples: number of draws, at least 2 / (1 - level) - 1.
        level: fraction of the resamples inside, in (0, 1).

    Returns:
        An interval for each statistic.

    Raises:
        InputError: too few resamples for the level, or a level outside (0, 1).
    """
    ranking = rank(np.asarray(scores_N, dtype=np.float64), bonafide_N)
    edge(resamples, level)
    values_RDS = resample([ranking], list(statistics.values()), sampling, rng, resamples)
    return {
        name: percentile_interval(values_RDS[:, 0, place], sampling, level)
        for place, name in enumerate(statistics)
    }


def resample(
    rankings: Sequence[Ranking],
    statistics: Sequence[Statistic],
    sampling: Resampling,
    rng: np.random.Generator,
    resamples: int,
) -> Floats:
    """Return metrics (R, D, S) of resamples, with the same draws for every ranking."""
    # A resample repeats utterances. Counting repeats instead of copying scores keeps each ranking sorted; the
    # same counts for every detector make the comparison paired.
    values_RDS = np.empty((resamples, len(rankings), len(statistics)))
    for values_DS in values_RDS:
        counts_N = sampling.draw(rng)
        for values_S, ranking in zip(values_DS, rankings, strict=True):
            counted = ranking.recounted(counts_N)
            values_S[:] = [statistic(counted) for statistic in statistics]
    return values_RDS


def percentile_interval(values_R: Floats, sampling: Resampling, level: float = LEVEL) -> Interval:
    """Return the middle `level` of resampled values: the k-th from below and from above (`edge`)."""
    rank_from_end = edge(len(values_R), level)
    sorted_R = np.sort(values_R)
    low, high = float(sorted_R[rank_from_end - 1]), float(sorted_R[-rank_from_end])
    return Interval(low, high, level, len(values_R), sampling.unit, sampling.units)


def edge(resamples: int, level: float) -> int:
    """Return k: the k-th smallest and the k-th largest resampled value bound the interval.

    Raises:
        InputError: too few resamples for the level, or a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"level of an interval must lie between 0 and 1, got {level}; 0.95 is usual")
    tail = (1 - level) / 2
    place = int(tail * (resamples + 1) + 1e-9)  # the term keeps 0.025 * 40 at 1
    if place < 1:
        least = int(np.ceil(1 / tail - 1e-9)) - 1
        raise InputError(
            f"resamples must be at least {least} for a {level:.0%} interval, got {resamples};"
            f" {RESAMPLES} will do"
        )
    return place


Unit: TypeAlias = Literal["speaker", "utterance"]

UNKNOWN_SPEAKER = "-"
MIN_SPEAKERS = 10
"""Below this, a draw of speakers has too few outcomes for a 95 % interval (measured in `docs/metrics.md`)."""


@dataclass(frozen=True, eq=False)
class Resampling:
    """Units drawn with replacement, and their strata.

    Attributes:
        unit: name of the unit, speaker or utterance.
        unit_N: number of the unit of each utterance.
        strata: numbers of the units resampled within each stratum, so that none is left empty.
    """

    unit: Unit
    unit_N: NDArray[np.intp]
    strata: tuple[NDArray[np.intp], ...]

    @property
    def units(self) -> int:
        """Number of units of all strata."""
        return sum(map(len, self.strata))

    def draw(self, rng: np.random.Generator) -> Counts:
        """Return how often each utterance counts in one resample; both classes are always present."""
        counts_U = np.zeros(self.units, dtype=np.int64)
        for stratum in self.strata:
            draws = rng.integers(len(stratum), size=len(stratum))
            counts_U[stratum] = np.bincount(draws, minlength=len(stratum))
        return counts_U[self.unit_N]


def resampling(
    labels_N: NDArray[np.integer], attacks: Sequence[str], speakers: Sequence[str] | None
) -> Resampling:
    """Return a resampling by speaker if at least `MIN_SPEAKERS` are known, otherwise by utterance.

    Strata of speakers: those with both classes, with bona fide speech only, with spoofed speech only, so that
    the mix of roles stays. Strata of utterances: class and attack.

    Args:
        labels_N: (N,) BONAFIDE or SPOOF, both present.
        attacks: attack of each utterance.
        speakers: speaker of each utterance, `-` where unknown; None if all are unknown.
    """
    if speakers is not None and UNKNOWN_SPEAKER not in speakers:
        names_U, unit_N = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
        if len(names_U) >= MIN_SPEAKERS:
            bonafide_U = np.bincount(unit_N[labels_N == BONAFIDE], minlength=len(names_U)) > 0
            spoof_U = np.bincount(unit_N[labels_N == SPOOF], minlength=len(names_U)) > 0
            return Resampling("speaker", unit_N, _groups(2 * bonafide_U + spoof_U))
    _, attack_N = np.unique(np.asarray(attacks, dtype=str), return_inverse=True)
    return Resampling("utterance", np.arange(len(labels_N)), _groups(2 * attack_N + (labels_N == BONAFIDE)))


def _groups(kind_U: NDArray[np.integer]) -> tuple[NDArray[np.intp], ...]:
    return tuple(np.flatnonzero(kind_U == kind) for kind in np.unique(kind_U))
