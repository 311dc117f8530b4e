"""A detector card for tests that need any valid one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fsd_model.data.training_splits import DataConfig
from fsd_model.detector.calibration import Calibration
from fsd_model.detector.card import DetectorCard
from fsd_model.detector.dev_results import DevMetrics, EerInterval
from fsd_model.detector.operating_point import OperatingPoint
from fsd_model.features.front_end import FeatureConfig

CALIBRATION = Calibration(slope=2.0, offset=-1.0, bonafide=40, spoof=60)
DEV = DevMetrics(
    utterances=100,
    eer=0.25,
    eer_interval=EerInterval(low=0.2, high=0.3, level=0.95, resamples=200, unit="speaker", units=12),
    eer_threshold=0.5,
    eer_by_attack={"A01": 0.2, "A02": 0.3},
    cllr=1.2,
    cllr_calibrated=0.7,
    miss=0.125,
    false_alarm=0.375,
)


def card(**changes: Any) -> DetectorCard:
    """A card of front end F0 subband; the network must be given."""
    given: dict[str, Any] = {
        "feature": FeatureConfig(),
        "calibration": CALIBRATION,
        "operating_point": OperatingPoint.of(),
        "dev": DEV,
        "epoch": 1,
        "trained_cuts": (1,),
        "parameters": 1,
        "data": DataConfig(root=Path("corpus")),
        "data_digest": "d",
        "licence": "not stated",
        "fingerprint": "f",
        "seed": 1,
        "versions": {"torch": "2"},
    }
    return DetectorCard(**{**given, **changes})
