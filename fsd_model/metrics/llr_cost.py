"""Cllr: quality of scores as log-likelihood ratios, over all priors and costs at once.

Source: Brümmer and du Preez, Computer Speech & Language 20 (2006); the official ASVspoof 5 package.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fsd_model.metrics.sorted_scores import Ranking, rank_classes


def cllr(bonafide: ArrayLike, spoof: ArrayLike) -> float:
    """Return the cost of log-likelihood ratios, in bits.

    Half the mean of log2(1 + exp(-s)) over bona fide speech and of log2(1 + exp(s)) over spoofed speech.

    Args:
        bonafide: natural log-likelihood ratios of bona fide speech.
        spoof: log-likelihood ratios of spoofed speech.

    Returns:
        From 0; 1 for scores without information (all 0), above 1 for misleading scores. Does not overflow,
        where the official package returns inf for a bona fide score below about -709.

    Raises:
        InputError: a class is empty or contains NaN or inf.
    """
    return cllr_of(rank_classes(bonafide, spoof))


def cllr_of(ranking: Ranking) -> float:
    """Return `cllr` of sorted scores."""
    of_bonafide = ranking.positives_N @ np.logaddexp(0, -ranking.scores_N) / ranking.positives_N.sum()
    of_spoof = ranking.negatives_N @ np.logaddexp(0, ranking.scores_N) / ranking.negatives_N.sum()
    return float((of_bonafide + of_spoof) / (2 * math.log(2)))
