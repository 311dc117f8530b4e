"""Equal error rate by the official definition, independent of the order of tied scores.

Source: the official ASVspoof 2019, 2021 and 5 evaluation packages.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from fsd_model.metrics.sorted_scores import Ranking, rank_classes


@dataclass(frozen=True)
class EqualErrorRate:
    """`rate` in [0, 1] where false rejections equal false acceptances, and the score `threshold` there."""

    rate: float
    threshold: float


def equal_error_rate(bonafide: ArrayLike, spoof: ArrayLike) -> EqualErrorRate:
    """Return the equal error rate by the official definition, independent of the order of tied scores.

    Walking up the sorted scores one at a time, the rate is the mean of false rejection (FRR) and false
    acceptance (FAR) at the first minimum of |FRR - FAR|; no interpolation. That equals the official value
    wherever no bona fide score equals a spoof score at the crossing.

    Where the crossing falls among equal scores of both classes, no threshold separates them, and the official
    value depends on the order of the input (1.0 for constant scores). Separating them at random gives the
    straight line between the points before and after the group; the rate is where FRR = FAR on it: 0.5 for
    constant scores.

    Args:
        bonafide: scores of bona fide speech.
        spoof: scores of spoofed speech.

    Raises:
        InputError: a class is empty or contains NaN or inf.
    """
    return equal_error_of(rank_classes(bonafide, spoof))


def equal_error_of(ranking: Ranking) -> EqualErrorRate:
    """Return the equal error rate of sorted scores."""
    points = ranking.points
    positives, negatives = int(points.positives_P[-1]), int(points.negatives_P[-1])
    # (FRR - FAR) * positives * negatives, in whole numbers so that the crossing is found exactly; never falls
    gap_P = points.positives_P * negatives + points.negatives_P * positives - positives * negatives
    end = int((gap_P >= 0).argmax())
    start = end - 1
    if gap_P[end] == 0:
        return EqualErrorRate(float((points.frr_P[end] + points.far_P[end]) / 2), ranking.score_at(end))
    rejected = int(points.positives_P[end] - points.positives_P[start])
    passed = int(points.negatives_P[end] - points.negatives_P[start])
    if rejected and passed:
        frr, far = points.frr_P[[start, end]], points.far_P[[start, end]]
        share = -(frr[0] - far[0]) / ((frr[1] - far[1]) - (frr[0] - far[0]))
        return EqualErrorRate(float(frr[0] + share * (frr[1] - frr[0])), ranking.score_at(end))
    return _walked(ranking, start, -(int(gap_P[start]) // (negatives if rejected else positives)))


def _walked(ranking: Ranking, start: int, steps: int) -> EqualErrorRate:
    """Return the official choice among equal scores of one class; FRR - FAR reaches 0 at the `steps`-th (from
    1).
    """
    # The official code steps through single scores, also inside a group of equal ones, and takes the point
    # where |FRR - FAR| is smallest (the first, if two tie). Inside a group of one class only one rate moves,
    # evenly, so the two steps around the crossing are enough.
    points = ranking.points
    bonafide = points.positives_P[start + 1] > points.positives_P[start]
    rates = []
    for step in (steps - 1, steps):
        rejected = points.positives_P[start] + (step if bonafide else 0)
        passed = points.negatives_P[start] + (0 if bonafide else step)
        far = (points.negatives_P[-1] - passed) / points.negatives_P[-1]
        rates.append((rejected / points.positives_P[-1], far))
    (frr, far), nearer = rates[1], steps
    if abs(rates[0][0] - rates[0][1]) <= abs(frr - far):
        (frr, far), nearer = rates[0], steps - 1
    return EqualErrorRate(float((frr + far) / 2), ranking.score_at(start + 1 if nearer else start))
