"""Equal error rate pooled, per attack, per condition and per exit.

Shapes: N utterances, E exits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.eer import EqualErrorRate, equal_error_rate
from fsd_model.scores.score_file import Scores


def pooled_eer(scores: Scores) -> EqualErrorRate:
    """Return the equal error rate of all spoofs against all bona fide speech."""
    return equal_error_rate(scores.of_class(BONAFIDE), scores.of_class(SPOOF))


def per_attack_eer(scores: Scores) -> dict[str, EqualErrorRate]:
    """Return the equal error rate of each attack against all bona fide speech, in the order of the attacks'
    names.
    """
    bonafide = scores.of_class(BONAFIDE)
    attacks_N = np.array(scores.attacks)
    spoof_N = scores.labels == SPOOF
    return {
        str(attack): equal_error_rate(bonafide, scores.values[spoof_N & (attacks_N == attack)])
        for attack in np.unique(attacks_N[spoof_N])
    }


def eer_by_condition(scores: Scores, condition_N: Sequence[str]) -> dict[str, EqualErrorRate]:
    """Return the equal error rate within each condition (environment, codec) that has both
    classes, by name.
    """
    conditions_N = np.asarray(condition_N, dtype=str)
    rates = {}
    for condition in np.unique(conditions_N):
        here_N = conditions_N == condition
        bonafide, spoof = (scores.values[here_N & (scores.labels == label)] for label in (BONAFIDE, SPOOF))
        if len(bonafide) and len(spoof):
            rates[str(condition)] = equal_error_rate(bonafide, spoof)
    return rates


def eer_by_exit(scores_NE: NDArray[np.floating], labels_N: NDArray[np.integer]) -> list[EqualErrorRate]:
    """Return the equal error rate of each exit, shallowest first.

    Args:
        scores_NE: (N, E) scores.
        labels_N: (N,) BONAFIDE or SPOOF.

    Raises:
        InputError: a class is missing, or a score is not finite.
    """
    bonafide_N, spoof_N = labels_N == BONAFIDE, labels_N == SPOOF
    return [equal_error_rate(scores_N[bonafide_N], scores_N[spoof_N]) for scores_N in scores_NE.T]
