"""Detection cost of a countermeasure alone: minDCF and actDCF of ASVspoof 5, track 1.

Source: the official ASVspoof 5 evaluation package.
"""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from fsd_model.errors import InputError
from fsd_model.metrics.sorted_scores import Ranking, lowest_cost, rank_classes

PRIOR_SPOOF, C_MISS, C_FA = 0.05, 1.0, 10.0


def min_dcf(
    bonafide: ArrayLike,
    spoof: ArrayLike,
    *,
    prior_spoof: float = PRIOR_SPOOF,
    c_miss: float = C_MISS,
    c_fa: float = C_FA,
) -> float:
    """Return the minimum normalised detection cost over all thresholds; 1 is the better of accept all and
    reject all.

    Args:
        bonafide: scores of bona fide speech.
        spoof: scores of spoofed speech.
        prior_spoof: prior probability of spoofed speech, in (0, 1).
        c_miss: cost of rejecting bona fide speech, > 0.
        c_fa: cost of accepting spoofed speech, > 0.

    Returns:
        In [0, 1]. Equal to the official value, with ties too.

    Raises:
        InputError: a class is empty or contains NaN or inf; a prior or cost is out of range.
    """
    return min_dcf_of(rank_classes(bonafide, spoof), prior_spoof, c_miss, c_fa)


def actual_dcf(
    bonafide: ArrayLike,
    spoof: ArrayLike,
    *,
    prior_spoof: float = PRIOR_SPOOF,
    c_miss: float = C_MISS,
    c_fa: float = C_FA,
) -> float:
    """Return the normalised detection cost at the Bayes threshold, for scores that are log-likelihood ratios.

    The threshold is -ln(beta), beta = c_miss (1 - prior_spoof) / (c_fa prior_spoof): -0.6418539 by default.
    Bona fide speech below it is a miss, spoofed speech at or above it a false alarm.

    Returns:
        From 0; above 1 the scores are worse than no detector. At least `min_dcf`.

    Args and Raises: as `min_dcf`.
    """
    return actual_dcf_of(rank_classes(bonafide, spoof), prior_spoof, c_miss, c_fa)


def min_dcf_of(
    ranking: Ranking, prior_spoof: float = PRIOR_SPOOF, c_miss: float = C_MISS, c_fa: float = C_FA
) -> float:
    """Return `min_dcf` of sorted scores."""
    miss, false_alarm = _weights(prior_spoof, c_miss, c_fa)
    return lowest_cost(ranking, 0.0, miss, false_alarm) / min(miss, false_alarm)


def actual_dcf_of(
    ranking: Ranking, prior_spoof: float = PRIOR_SPOOF, c_miss: float = C_MISS, c_fa: float = C_FA
) -> float:
    """Return `actual_dcf` of sorted scores."""
    miss, false_alarm = _weights(prior_spoof, c_miss, c_fa)
    first_accepted = int(ranking.scores_N.searchsorted(bayes_threshold(prior_spoof, c_miss, c_fa)))
    frr = ranking.positives_N[:first_accepted].sum() / ranking.positives_N.sum()
    far = ranking.negatives_N[first_accepted:].sum() / ranking.negatives_N.sum()
    return float((miss * frr + false_alarm * far) / min(miss, false_alarm))


def bayes_threshold(prior_spoof: float = PRIOR_SPOOF, c_miss: float = C_MISS, c_fa: float = C_FA) -> float:
    """Return the log-likelihood ratio above which accepting costs less; Args and Raises as `min_dcf`."""
    miss, false_alarm = _weights(prior_spoof, c_miss, c_fa)
    return 0.0 - math.log(miss / false_alarm)  # no -0.0


def _weights(prior_spoof: float, c_miss: float, c_fa: float) -> tuple[float, float]:
    check_prior("prior_spoof", prior_spoof)
    check_cost("c_miss", c_miss)
    check_cost("c_fa", c_fa)
    return c_miss * (1 - prior_spoof), c_fa * prior_spoof


def check_prior(name: str, value: float) -> None:
    """Raise InputError unless the value is a number between 0 and 1."""
    if not 0 < value < 1:
        raise InputError(f"{name} must lie between 0 and 1, got {value}; 0.05 is usual for spoofed speech")


def check_cost(name: str, value: float) -> None:
    """Raise InputError unless the value is a positive, finite number."""
    if not 0 < value < math.inf:
        raise InputError(f"{name} must be a positive, finite cost, got {value}; 1 and 10 are usual")
