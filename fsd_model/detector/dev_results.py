"""Results of a detector on dev, for its card; optimistic, as dev selected epoch and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from fsd_model.detector.calibration import Calibration
from fsd_model.detector.operating_point import OperatingPoint
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.bootstrap import Unit, bootstrap_intervals, resampling
from fsd_model.metrics.eer import equal_error_of
from fsd_model.metrics.llr_cost import cllr
from fsd_model.metrics.sorted_scores import rank
from fsd_model.scores.eer_by_group import per_attack_eer
from fsd_model.scores.score_file import Scores
from fsd_model.settings import Settings

RESAMPLES = 200
"""A fifth of what an evaluation draws, for this is computed at each epoch that is saved."""
SEED = 0


class EerInterval(Settings):
    """Bootstrap interval of the EER: the middle `level` over `resamples` draws of `units` (`unit`)."""

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    level: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=1)
    unit: Unit
    units: int = Field(ge=1)


class DevMetrics(Settings):
    """Metrics on dev; rates are fractions.

    Attributes:
        utterances: number of utterances of both classes.
        eer: pooled EER at the selected epoch.
        eer_interval: its 95 % interval.
        eer_threshold: score where both error rates meet; for information, decisions follow costs.
        eer_by_attack: EER of each attack's spoofs against all bona fide speech.
        cllr, cllr_calibrated: Cllr of the raw scores, and of their log-likelihood ratios, bits.
        miss, false_alarm: fractions of bona fide rejected and of spoofs accepted at the operating point.
    """

    utterances: int = Field(ge=2)
    eer: float = Field(ge=0, le=1)
    eer_interval: EerInterval
    eer_threshold: float
    eer_by_attack: dict[str, float]
    cllr: float = Field(ge=0)
    cllr_calibrated: float = Field(ge=0)
    miss: float = Field(ge=0, le=1)
    false_alarm: float = Field(ge=0, le=1)


def dev_metrics(
    scores: Scores, speakers: Sequence[str], calibration: Calibration, point: OperatingPoint
) -> DevMetrics:
    """Compute the metrics of the scores of dev.

    Args:
        scores: scores of both classes.
        speakers: speakers of the same utterances, `-` where unknown.
        calibration: calibration fitted on these scores.
        point: operating point at which errors are counted.
    """
    bonafide_N = scores.labels == BONAFIDE
    ranking = rank(np.asarray(scores.values, dtype=np.float64), bonafide_N)
    equal = equal_error_of(ranking)
    bonafide, spoof = scores.of_class(BONAFIDE), scores.of_class(SPOOF)
    llr = [calibration.slope * part + calibration.offset for part in (bonafide, spoof)]
    return DevMetrics(
        utterances=len(scores.labels),
        eer=equal.rate,
        eer_interval=_interval(scores, speakers),
        eer_threshold=equal.threshold,
        eer_by_attack={attack: result.rate for attack, result in per_attack_eer(scores).items()},
        cllr=cllr(bonafide, spoof),
        cllr_calibrated=cllr(*llr),
        miss=float(np.mean(llr[0] < point.threshold)),
        false_alarm=float(np.mean(llr[1] >= point.threshold)),
    )


def _interval(scores: Scores, speakers: Sequence[str]) -> EerInterval:
    sampling = resampling(scores.labels, scores.attacks, speakers)
    statistics = {"eer": lambda ranking: equal_error_of(ranking).rate}
    rng, bonafide_N = np.random.default_rng(SEED), scores.labels == BONAFIDE
    interval = bootstrap_intervals(scores.values, bonafide_N, statistics, sampling, rng, RESAMPLES)["eer"]
    return EerInterval(
        low=interval.low,
        high=interval.high,
        level=interval.level,
        resamples=interval.resamples,
        unit=interval.unit,
        units=interval.units,
    )
