"""Tandem detection cost of a countermeasure together with the speaker verification behind it.

Source: Kinnunen et al., IEEE/ACM TASLP 28 (2020), "Tandem assessment of spoofing countermeasures and
automatic speaker verification: fundamentals"; the official ASVspoof 2019 and 2021 evaluation packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fsd_model.errors import InputError
from fsd_model.metrics.eer import equal_error_of
from fsd_model.metrics.sorted_scores import Ranking, checked_scores, lowest_cost, rank_classes

Form: TypeAlias = Literal["legacy", "revised"]

PRIOR_SPOOF = 0.05
PRIOR_TARGET = 0.95 * 0.99
PRIOR_NONTARGET = 0.95 * 0.01
COST_MISS_ASV, COST_FALSE_ALARM_ASV = 1.0, 10.0
COST_MISS_CM, COST_FALSE_ALARM_CM = 1.0, 10.0


@dataclass(frozen=True)
class AsvErrorRates:
    """A speaker verification system at its equal error point, as min t-DCF needs it.

    `false_alarm`: fraction of non-targets accepted; `miss`: of targets rejected; `spoof_miss`: of spoofs
    rejected; `threshold`: scores at or above it are accepted; `eer`: of targets against non-targets.
    """

    false_alarm: float
    miss: float
    spoof_miss: float
    threshold: float
    eer: float

    @classmethod
    def from_scores(cls, target: ArrayLike, nontarget: ArrayLike, spoof: ArrayLike) -> AsvErrorRates:
        """Return error rates of speaker verification scores (higher = more likely the claimed speaker).

        Raises:
            InputError: a class is empty or contains NaN or inf.
        """
        point = equal_error_of(rank_classes(target, nontarget, ("target", "non-target")))
        return cls(
            false_alarm=float(np.mean(np.asarray(nontarget) >= point.threshold)),
            miss=float(np.mean(np.asarray(target) < point.threshold)),
            spoof_miss=float(np.mean(checked_scores(spoof, "spoof") < point.threshold)),
            threshold=point.threshold,
            eer=point.rate,
        )


def min_tdcf(bonafide: ArrayLike, spoof: ArrayLike, asv: AsvErrorRates, form: Form = "legacy") -> float:
    """Return the minimum normalised tandem detection cost over all thresholds of the countermeasure.

    Args:
        bonafide: countermeasure scores of bona fide speech.
        spoof: countermeasure scores of spoofed speech.
        asv: the speaker verification system behind the countermeasure.
        form: "legacy" as in ASVspoof 2019, 0 for a perfect countermeasure; "revised" as in 2021, which
            includes the cost of the ASV's own errors.

    Raises:
        InputError: a class is empty or contains NaN or inf; or the ASV is so poor, or rejects spoofs so well,
            that no countermeasure can reduce the cost.
    """
    return min_tdcf_of(rank_classes(bonafide, spoof), asv, form)


def min_tdcf_of(ranking: Ranking, asv: AsvErrorRates, form: Form = "legacy") -> float:
    """Return `min_tdcf` of sorted scores."""
    fixed, miss, false_alarm = _tandem_weights(asv, form)
    if not (miss > 0 and false_alarm > 0):
        raise InputError(
            "t-DCF must have positive weights for misses and false alarms,"
            f" got {miss:g} and {false_alarm:g} from {asv}; check the ASV scores"
        )
    return lowest_cost(ranking, fixed, miss, false_alarm) / (fixed + min(miss, false_alarm))


def _tandem_weights(asv: AsvErrorRates, form: Form) -> tuple[float, float, float]:
    """Return (C0, C1, C2): cost of the ASV alone, weight of countermeasure misses, weight of its false
    alarms.
    """
    accept_spoof = PRIOR_SPOOF * COST_FALSE_ALARM_CM * (1 - asv.spoof_miss)
    asv_misses = PRIOR_TARGET * COST_MISS_ASV * asv.miss
    asv_false_alarms = PRIOR_NONTARGET * COST_FALSE_ALARM_ASV * asv.false_alarm
    weight_of_misses = PRIOR_TARGET * COST_MISS_CM - asv_misses - asv_false_alarms
    if form == "legacy":
        return 0.0, weight_of_misses, accept_spoof
    if form == "revised":
        return asv_misses + asv_false_alarms, weight_of_misses, accept_spoof
    raise InputError(f"form of t-DCF must be legacy or revised, got `{form}`; papers on 2019 data use legacy")
