"""Scores of two classes, sorted once, with one count per score: the input of every metric and resample.

Shapes: N scores of both classes, G groups of equal scores, P = G + 1 operating points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsd_model.errors import InputError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """Numbers of rejected scores per class: threshold below all scores, then at each distinct score.

    `positives_P` and `negatives_P` rise from 0 to the number of positives and of negatives. A threshold can
    only divide scores that differ, so these are all reachable pairs of error rates.
    """

    positives_P: Counts
    negatives_P: Counts

    @cached_property
    def frr_P(self) -> Floats:
        """False rejection rate in [0, 1], rising."""
        return np.asarray(self.positives_P / self.positives_P[-1])

    @cached_property
    def far_P(self) -> Floats:
        """False acceptance rate in [0, 1], falling."""
        return np.asarray((self.negatives_P[-1] - self.negatives_P) / self.negatives_P[-1])


@dataclass(frozen=True, eq=False)
class Ranking:
    """Sorted scores of two classes.

    Attributes:
        scores_N: scores, ascending.
        positive_N: 1 for the class that should score high (bona fide, target), otherwise 0.
        counts_N: how often each score counts; 1, or the count of a resample.
        order_N: place of each score in the input.
        ends_G: end of each group of equal scores.
    """

    scores_N: Floats
    positive_N: Counts
    counts_N: Counts
    order_N: NDArray[np.intp]
    ends_G: NDArray[np.intp]

    def recounted(self, counts_N: Counts) -> Ranking:
        """Return the same scores with other counts, `counts_N` in the input order.

        Both classes must keep a positive count.
        """
        return replace(self, counts_N=counts_N[self.order_N])

    @cached_property
    def positives_N(self) -> Counts:
        """Count of each score in the class that should score high, otherwise 0."""
        return self.counts_N * self.positive_N

    @cached_property
    def negatives_N(self) -> Counts:
        """Count of each score in the other class, otherwise 0."""
        return self.counts_N - self.positives_N

    @cached_property
    def points(self) -> OperatingPoints:
        """Operating points from running counts, read at the end of each group of equal scores."""
        positives_P = _sums(self.positives_N, self.ends_G)
        return OperatingPoints(positives_P, _sums(self.counts_N, self.ends_G) - positives_P)

    def score_at(self, point: int) -> float:
        """Return the highest score that counts and is rejected at an operating point (from 1 on)."""
        total_P = self.points.positives_P + self.points.negatives_P
        first = int(np.searchsorted(total_P, total_P[point]))
        return float(self.scores_N[self.ends_G[first - 1] - 1])


def rank(scores_N: Floats, positive_N: NDArray[np.bool_]) -> Ranking:
    """Sort scores of both classes, with a count of 1 each."""
    order_N, ends_G = _sorted(scores_N)
    sorted_N = scores_N[order_N]
    counts_N = np.ones(len(sorted_N), dtype=np.int64)
    return Ranking(sorted_N, positive_N[order_N].astype(np.int64), counts_N, order_N, ends_G)


def _sorted(scores_N: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return places in ascending order, ties in input order, and the end of each group of ties.

    NumPy's unstable sort is five times as fast as its stable one on processors with wide registers; it only
    mixes up places within a group of ties, which are sorted again as whole numbers.
    """
    order_N = np.argsort(scores_N)
    sorted_N = scores_N[order_N]
    new_N = sorted_N[1:] != sorted_N[:-1]
    ends_G = np.append(np.flatnonzero(new_N) + 1, len(scores_N))
    if len(ends_G) < len(scores_N):
        # key = group * N + original place: sorting the keys orders the places within each group, and
        # subtracting group * N gives the places back
        group_N = np.append(0, np.cumsum(new_N)) * len(scores_N)
        order_N = np.sort(group_N + order_N) - group_N
    return order_N, ends_G


def _sums(counts_N: Counts, ends_G: NDArray[np.intp]) -> Counts:
    """Return 0, then the sum of all counts up to the end of each group."""
    sums_P = np.zeros(len(ends_G) + 1, dtype=np.int64)
    if len(ends_G) == len(counts_N):
        np.cumsum(counts_N, out=sums_P[1:])
    else:
        np.take(np.cumsum(counts_N), ends_G - 1, out=sums_P[1:])
    return sums_P


def rank_classes(
    positive: ArrayLike, negative: ArrayLike, names: tuple[str, str] = ("bona fide", "spoof")
) -> Ranking:
    """Check and sort the scores of two classes, positives first in the input order.

    Raises:
        InputError: a class is empty or contains NaN or inf.
    """
    positive_N, negative_N = checked_scores(positive, names[0]), checked_scores(negative, names[1])
    is_positive_N = np.arange(len(positive_N) + len(negative_N)) < len(positive_N)
    return rank(np.concatenate([positive_N, negative_N]), is_positive_N)


def lowest_cost(ranking: Ranking, fixed: float, miss: float, false_alarm: float) -> float:
    """Return the minimum of `fixed + miss * FRR + false_alarm * FAR` over all thresholds.

    The official packages also pass through points inside a group of equal scores, which no threshold reaches;
    they count bona fide first, so such a point costs at least as much as an end of the group: same minimum.
    """
    points = ranking.points
    return float((fixed + miss * points.frr_P + false_alarm * points.far_P).min())


def checked_scores(scores: ArrayLike, name: str) -> Floats:
    """Return scores of one class as float64.

    Raises:
        InputError: no scores, more than one axis, or NaN or inf among them.
    """
    scores_N = np.asarray(scores, dtype=np.float64)
    if scores_N.ndim != 1 or not scores_N.size:
        raise InputError(
            f"{name} scores must be at least one, got shape {scores_N.shape}; is a class missing?"
        )
    bad = int(np.count_nonzero(~np.isfinite(scores_N)))
    if bad:
        raise InputError(
            f"{name} scores must be finite, got {bad} NaN or inf of {scores_N.size};"
            " the detector has diverged"
        )
    return scores_N
