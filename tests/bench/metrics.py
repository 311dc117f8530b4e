"""EER and min t-DCF of as many scores as ASVspoof 2019 LA's evaluation has, in our form and the official one.

Ours sorts them once. The official form is re-stated here from its formulas: each metric concatenates and
sorts by itself, and the error rates of the speaker verification system are computed with it. A study knows
those rates beforehand, so ours are given them; a row tells both sides without.
"""

from __future__ import annotations

import os

import numpy as np

from fsd_model import metrics
from fsd_model.metrics.eer import equal_error_of
from fsd_model.metrics.sorted_scores import Floats, rank_classes
from fsd_model.metrics.t_dcf import AsvErrorRates, min_tdcf_of
from tests.bench.side_by_side import Row, in_turns

BONAFIDE, SPOOF = 7_355, 63_882
TARGET, NONTARGET = 5_370, 33_327
REPEATS, GOAL = 15, 2.5
Answer = tuple[float, float]  # EER, min t-DCF


def error_rates(positive_N: Floats, negative_N: Floats) -> tuple[Floats, Floats, Floats]:
    """False rejections, false acceptances and thresholds: below all scores, then at each one."""
    scores_N = np.concatenate((positive_N, negative_N))
    is_positive_N = np.concatenate((np.ones(positive_N.size), np.zeros(negative_N.size)))
    order_N = np.argsort(scores_N, kind="mergesort")
    is_positive_N = is_positive_N[order_N]
    rejected_N = np.cumsum(is_positive_N)
    passed_N = negative_N.size - (np.arange(1, scores_N.size + 1) - rejected_N)
    frr_P = np.concatenate((np.zeros(1), rejected_N / positive_N.size))
    far_P = np.concatenate((np.ones(1), passed_N / negative_N.size))
    lowest = np.atleast_1d(scores_N[order_N[0]] - 0.001)
    return frr_P, far_P, np.concatenate((lowest, scores_N[order_N]))


def official_eer(positive_N: Floats, negative_N: Floats) -> Answer:
    """The equal error rate and its threshold."""
    frr_P, far_P, threshold_P = error_rates(positive_N, negative_N)
    nearest = np.argmin(np.abs(frr_P - far_P))
    return float(np.mean((frr_P[nearest], far_P[nearest]))), float(threshold_P[nearest])


def official_asv(target_N: Floats, nontarget_N: Floats, spoof_N: Floats) -> tuple[float, float, float]:
    """False alarms, misses, and spoofs missed of the speaker verification, at its own equal error params."""
    threshold = official_eer(target_N, nontarget_N)[1]
    return (
        float(np.sum(nontarget_N >= threshold) / nontarget_N.size),
        float(np.sum(target_N < threshold) / target_N.size),
        float(np.sum(spoof_N < threshold) / spoof_N.size),
    )


def official_tdcf(bonafide_N: Floats, spoof_N: Floats, asv: tuple[float, float, float]) -> float:
    """min t-DCF of 2019."""
    frr_P, far_P, _ = error_rates(bonafide_N, spoof_N)
    false_alarm, miss, spoof_miss = asv
    of_target, of_nontarget = metrics.PRIOR_TARGET, metrics.PRIOR_NONTARGET
    c1 = of_target * (metrics.COST_MISS_CM - metrics.COST_MISS_ASV * miss)
    c1 -= of_nontarget * metrics.COST_FALSE_ALARM_ASV * false_alarm
    c2 = metrics.COST_FALSE_ALARM_CM * metrics.PRIOR_SPOOF * (1 - spoof_miss)
    return float(np.min(c1 * frr_P + c2 * far_P) / np.minimum(c1, c2))


class Scores:
    """Two normals of each system; `steps` rounds the countermeasure's to so many a unit: ties."""

    def __init__(self, steps: int | None = None) -> None:
        rng = np.random.default_rng(1)
        self.bonafide_N = rng.normal(2.5, 1.0, BONAFIDE)
        self.spoof_N = rng.normal(-1.5, 1.2, SPOOF)
        if steps is not None:
            self.bonafide_N, self.spoof_N = (
                np.round(each * steps) / steps for each in (self.bonafide_N, self.spoof_N)
            )
        self.target_N, self.nontarget_N = rng.normal(3, 2, TARGET), rng.normal(-5, 2, NONTARGET)
        self.spoofing_N = rng.normal(1, 3, SPOOF)
        self.asv = AsvErrorRates.from_scores(self.target_N, self.nontarget_N, self.spoofing_N)

    def ours(self) -> Answer:
        ranking = rank_classes(self.bonafide_N, self.spoof_N)
        return equal_error_of(ranking).rate, min_tdcf_of(ranking, self.asv)

    def official(self) -> Answer:
        asv = official_asv(self.target_N, self.nontarget_N, self.spoofing_N)
        eer = official_eer(self.bonafide_N, self.spoof_N)[0]
        return eer, official_tdcf(self.bonafide_N, self.spoof_N, asv)

    def official_known(self) -> Answer:
        """With the rates of the speaker verification known beforehand."""
        asv = (self.asv.false_alarm, self.asv.miss, self.asv.spoof_miss)
        eer = official_eer(self.bonafide_N, self.spoof_N)[0]
        return eer, official_tdcf(self.bonafide_N, self.spoof_N, asv)


def compared(ours: Answer, official: Answer) -> str:
    """How far both answers are apart, bit by bit first."""
    if ours == official:
        return "equal"
    eer, tdcf = (abs(a - b) for a, b in zip(ours, official, strict=True))
    return f"EER {eer:.2g}, t-DCF {tdcf:.2g} apart"


def rows() -> list[Row]:
    found = []
    for figure, steps in (("distinct scores", None), ("scores with ties", 1000)):
        scores = Scores(steps)
        sides = {"ours": scores.ours, "official": scores.official, "known": scores.official_known}
        ms = {name: 1000 * seconds for name, seconds in in_turns(sides, REPEATS).items()}
        for reference, goal, what in (("official", GOAL, ""), ("known", None, ", ASV rates known to both")):
            found.append(
                Row(
                    f"EER and min t-DCF, {figure}{what}", ms["ours"], ms[reference], "ms",
                    ms[reference] / ms["ours"], goal, compared(scores.ours(), sides[reference]()),
                    note=f"CPU time of {BONAFIDE + SPOOF} scores, load {os.getloadavg()[0]:.1f}",
                )
            )  # fmt: skip
    return found
