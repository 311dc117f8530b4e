"""A detector as an MLflow model. MLflow calls `_load_pyfunc` by name; this module does not import MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsd_model.data.audio import SAMPLE_RATE
from fsd_model.detector.detector import Detector

if TYPE_CHECKING:
    import pandas

WAVEFORM = "waveform"
_EXAMPLE_S = 0.1


class ServedDetector:
    """Scores waveforms.

    Args:
        detector: the loaded detector.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def predict(self, model_input: pandas.DataFrame) -> pandas.DataFrame:
        """Score each row.

        Args:
            model_input: `waveform`: samples of one utterance, mono in [-1, 1] at 16 kHz.
        Returns:
            For each row `score` (higher = more bona fide) and `decision` (bonafide, spoof).
        Raises:
            InputError: an empty or non-finite waveform.
        """
        from pandas import DataFrame

        scores = [self._detector.score(np.asarray(row, dtype=np.float32)) for row in model_input[WAVEFORM]]
        decisions = [self._detector.decide(score) for score in scores]
        return DataFrame({"score": scores, "decision": decisions}, index=model_input.index)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> ServedDetector:
    """Load an exported detector; `model_config={"allow_code": True}` lets it run a custom network."""
    return ServedDetector(Detector.load(path, allow_code=bool((model_config or {}).get("allow_code"))))


def as_mlflow_model(exported: Path) -> dict[str, Any] | None:
    """Return how MLflow loads and calls an exported trial (see `tuner/trial.py`), or None if it cannot.

    Args:
        exported: folder with the contents of a trial's `export/`.
    """
    from pandas import DataFrame

    if not (exported / "detector").is_dir():
        return None
    seconds = np.arange(int(_EXAMPLE_S * SAMPLE_RATE)) / SAMPLE_RATE
    example = {WAVEFORM: [(0.1 * np.sin(2 * np.pi * 200 * seconds)).round(4).tolist()]}
    detector = Detector.load(exported / "detector", allow_code=True)  # it has just been trained here
    return {
        "loader": __name__,
        "folder": "detector",
        "input": example,
        "output": ServedDetector(detector).predict(DataFrame(example)).to_dict("list"),
        "requirements": [_requirement("fsd-tuner")],
        "config": {"allow_code": False},
    }


def _requirement(package: str) -> str:
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return package
