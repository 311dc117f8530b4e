"""Equal error rate and tandem detection cost of a countermeasure.

Higher score = more bona fide. All rates are fractions. A score is accepted when it is above the threshold.

Source: the official ASVspoof 2019 and 2021 evaluation packages; Kinnunen et al., IEEE/ACM TASLP 28 (2020),
"Tandem assessment of spoofing countermeasures and automatic speaker verification: fundamentals".

Shapes: N scores of both classes, P = N + 1 operating points, G groups of equal scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsd_model.errors import InputError

Form: TypeAlias = Literal["legacy", "revised"]

_Rates: TypeAlias = NDArray[np.float64]

PRIOR_SPOOF = 0.05
PRIOR_TARGET = 0.95 * 0.99
PRIOR_NONTARGET = 0.95 * 0.01
COST_MISS_ASV, COST_FALSE_ALARM_ASV = 1.0, 10.0
COST_MISS_CM, COST_FALSE_ALARM_CM = 1.0, 10.0


@dataclass(frozen=True)
class EqualErrorRate:
    """`rate` in [0, 1] where false rejections equal false acceptances, and the score `threshold` there."""

    rate: float
    threshold: float


def equal_error_rate(bonafide: ArrayLike, spoof: ArrayLike) -> EqualErrorRate:
    """Equal error rate by the official definition, with ties treated as what they are.

    Walking up the sorted scores one at a time, the rate is the mean of false rejection (FRR) and false
    acceptance (FAR) at the first minimum of |FRR - FAR|; no interpolation. That equals the official value
    wherever no bona fide score equals a spoof score at the crossing.

    Where the crossing falls among equal scores of both classes, no threshold divides them, and the official
    value depends on the order of the input (1.0 for constant scores). Dividing them at random gives the
    straight line between the points before and after the group; the rate is where FRR = FAR on it: 0.5 for
    constant scores.

    Args:
        bonafide: scores of bona fide speech.
        spoof: scores of spoofed speech.

    Raises:
        InputError: a class is empty or holds NaN or inf.
    """
    return _equal_error_rate(_checked(bonafide, "bona fide"), _checked(spoof, "spoof"))


@dataclass(frozen=True)
class AsvErrorRates:
    """A speaker verification system at its equal error point: all that min t-DCF needs to know of it.

    `false_alarm`: share of non-targets accepted; `miss`: of targets rejected; `spoof_miss`: of spoofs
    rejected; `threshold`: scores from here on are accepted; `eer`: of targets against non-targets.
    """

    false_alarm: float
    miss: float
    spoof_miss: float
    threshold: float
    eer: float

    @classmethod
    def from_scores(cls, target: ArrayLike, nontarget: ArrayLike, spoof: ArrayLike) -> AsvErrorRates:
        """Error rates of speaker verification scores (higher = more likely the claimed speaker).

        Raises:
            InputError: a class is empty or holds NaN or inf.
        """
        target_N, nontarget_N = _checked(target, "target"), _checked(nontarget, "non-target")
        spoof_N = _checked(spoof, "spoof")
        point = _equal_error_rate(target_N, nontarget_N)
        return cls(
            false_alarm=float(np.mean(nontarget_N >= point.threshold)),
            miss=float(np.mean(target_N < point.threshold)),
            spoof_miss=float(np.mean(spoof_N < point.threshold)),
            threshold=point.threshold,
            eer=point.rate,
        )


def min_tdcf(bonafide: ArrayLike, spoof: ArrayLike, asv: AsvErrorRates, form: Form = "legacy") -> float:
    """Minimum normalised tandem detection cost over all thresholds of the countermeasure.

    Args:
        bonafide: countermeasure scores of bona fide speech.
        spoof: countermeasure scores of spoofed speech.
        asv: the speaker verification system behind the countermeasure.
        form: "legacy" is the one of ASVspoof 2019, 0 for a perfect countermeasure; "revised" that of 2021,
            which keeps the cost of the ASV's own errors.

    Raises:
        InputError: a class is empty or holds NaN or inf; or the ASV is so poor, or rejects spoofs so well,
            that a countermeasure has no cost to save.
    """
    fixed, miss, false_alarm = _tandem_weights(asv, form)
    if not (miss > 0 and false_alarm > 0):
        raise InputError(
            "t-DCF must have positive weights for misses and false alarms,"
            f" got {miss:g} and {false_alarm:g} from {asv}; check the ASV scores"
        )
    _, frr_P, far_P = _operating_points(_checked(bonafide, "bona fide"), _checked(spoof, "spoof"))
    cost_P = fixed + miss * frr_P + false_alarm * far_P
    return float(cost_P.min() / (fixed + min(miss, false_alarm)))


def _tandem_weights(asv: AsvErrorRates, form: Form) -> tuple[float, float, float]:
    """(C0, C1, C2): cost of the ASV alone, weight of countermeasure misses, weight of its false alarms."""
    accept_spoof = PRIOR_SPOOF * COST_FALSE_ALARM_CM * (1 - asv.spoof_miss)
    asv_misses = PRIOR_TARGET * COST_MISS_ASV * asv.miss
    asv_false_alarms = PRIOR_NONTARGET * COST_FALSE_ALARM_ASV * asv.false_alarm
    weight_of_misses = PRIOR_TARGET * COST_MISS_CM - asv_misses - asv_false_alarms
    if form == "legacy":
        return 0.0, weight_of_misses, accept_spoof
    if form == "revised":
        return asv_misses + asv_false_alarms, weight_of_misses, accept_spoof
    raise InputError(f"form of t-DCF must be legacy or revised, got `{form}`; papers on 2019 data use legacy")


def _equal_error_rate(positive_N: _Rates, negative_N: _Rates) -> EqualErrorRate:
    scores_N, frr_P, far_P = _operating_points(positive_N, negative_N)
    gap_P = frr_P - far_P  # rises strictly from -1 to 1
    ends_G = np.append(np.flatnonzero(scores_N[1:] != scores_N[:-1]) + 1, len(scores_N))
    group = int(np.argmax(gap_P[ends_G] >= 0))
    start, end = int(ends_G[group - 1]) if group else 0, int(ends_G[group])
    both_classes = frr_P[end] > frr_P[start] and far_P[end] < far_P[start]
    if both_classes and gap_P[end] > 0:
        share = -gap_P[start] / (gap_P[end] - gap_P[start])
        rate = frr_P[start] + share * (frr_P[end] - frr_P[start])
        return EqualErrorRate(float(rate), float(scores_N[start]))
    point = start + int(np.argmin(np.abs(gap_P[start : end + 1])))
    return EqualErrorRate(float((frr_P[point] + far_P[point]) / 2), float(scores_N[point - 1]))


def _operating_points(positive_N: _Rates, negative_N: _Rates) -> tuple[_Rates, _Rates, _Rates]:
    """Scores in ascending order, and FRR and FAR with the threshold below all and then at each of them.

    Equal scores count positives first, as in the official code. For a cost that grows with FRR and FAR this
    adds no minimum: every point within such a group costs at least as much as one of the group's ends.
    """
    scores_N = np.concatenate([positive_N, negative_N])
    order_N = np.argsort(scores_N, kind="stable")
    rejected_P = np.concatenate([[0], np.cumsum(order_N < len(positive_N))])
    passed_P = np.arange(len(scores_N) + 1) - rejected_P
    return scores_N[order_N], rejected_P / len(positive_N), (len(negative_N) - passed_P) / len(negative_N)


def _checked(scores: ArrayLike, name: str) -> _Rates:
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
