"""a-DCF: detection cost of one system that rejects both impostors and spoofs.

Source: Shim et al., Odyssey 2024, "a-DCF: an architecture agnostic metric with application to spoofing-robust
speaker verification", and its package; ASVspoof 5, track 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from fsd_model.errors import InputError
from fsd_model.metrics.dcf import check_cost, check_prior
from fsd_model.metrics.sorted_scores import Floats, checked_scores


@dataclass(frozen=True)
class AgnosticCosts:
    """Priors of target, non-target and spoof (they sum to 1), and costs of each error (> 0).

    The defaults are those of the metric's package.

    Raises:
        InputError: a prior outside (0, 1), priors that do not sum to 1, a cost that is not positive.
    """

    prior_target: float = 0.9
    prior_nontarget: float = 0.05
    prior_spoof: float = 0.05
    cost_miss: float = 1.0
    cost_false_alarm_nontarget: float = 10.0
    cost_false_alarm_spoof: float = 20.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check = check_prior if field.name.startswith("prior") else check_cost
            check(field.name, getattr(self, field.name))
        total = self.prior_target + self.prior_nontarget + self.prior_spoof
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise InputError(f"priors of a-DCF must sum to 1, got {total:g}; change one of the three")


ASVSPOOF5_COSTS = AgnosticCosts(0.9405, 0.0095, 0.05, 1.0, 10.0, 10.0)


def a_dcf(
    target: ArrayLike,
    nontarget: ArrayLike,
    spoof: ArrayLike,
    costs: AgnosticCosts = AgnosticCosts(),
) -> float:
    """Return the minimum normalised architecture-agnostic detection cost over all thresholds.

    Args:
        target: scores of bona fide speech of the claimed speaker; higher = more likely a match.
        nontarget: scores of bona fide speech of other speakers.
        spoof: scores of spoofed speech.
        costs: priors and costs; defaults of the metric's package, or `ASVSPOOF5_COSTS` of the challenge.

    Returns:
        In [0, 1]; 1 is the better of accept all and reject all. Equal to the package's value, with ties too.

    Raises:
        InputError: a class is empty or contains NaN or inf.
    """
    target_N, nontarget_N = checked_scores(target, "target"), checked_scores(nontarget, "non-target")
    spoof_N = checked_scores(spoof, "spoof")
    threshold_P = np.append(-np.inf, np.unique(np.concatenate([target_N, nontarget_N, spoof_N])))
    miss = costs.cost_miss * costs.prior_target
    impostor = costs.cost_false_alarm_nontarget * costs.prior_nontarget
    spoofed = costs.cost_false_alarm_spoof * costs.prior_spoof
    cost_P = (
        miss * _rejected(target_N, threshold_P)
        + impostor * (1 - _rejected(nontarget_N, threshold_P))
        + spoofed * (1 - _rejected(spoof_N, threshold_P))
    )
    return float(cost_P.min() / min(impostor + spoofed, miss))


def _rejected(scores_N: Floats, threshold_P: Floats) -> Floats:
    """Return the fraction of scores at or below each threshold."""
    return np.asarray(np.searchsorted(np.sort(scores_N), threshold_P, side="right") / len(scores_N))
