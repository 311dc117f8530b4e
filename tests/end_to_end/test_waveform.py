"""Networks on the samples themselves, from real recordings to the scores of the exported detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd_model import trial
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.detector.detector import Detector
from fsd_model.evaluation.final_evaluation import evaluate
from tests.fsd_model.support.custom_networks import HERE

pytestmark = pytest.mark.slow


class Kept:
    """A context that keeps the last report's metrics and saved state."""

    checkpoint: Path | None = None
    cloned: bool = False

    def __init__(self, folder: Path) -> None:
        self.folder, self.metrics = folder, dict[str, float]()

    def report(self, metrics: Any, save: Any = None) -> None:
        self.metrics = dict(metrics)
        save(self.folder)


@pytest.mark.parametrize("factory", ["raw_residual", pytest.param("wav2vec", marks=pytest.mark.long)])
def test_a_network_on_samples_trains_with_everything_on_and_deploys(
    factory: str, tiny_corpus: Path, tmp_path: Path
) -> None:
    settings = trial.prepare(
        {
            "data": {"root": str(tiny_corpus)},
            "feature": {"kind": "waveform", "samples": 16_000},
            "network": f"{HERE}:{factory}",
            "distill": {
                "feature": "attention_transfer",
                "teacher": "ema",
                "ramp": 0.5,
            },
            "augment": {"rawboost": {"probability": 0.5}, "noise": {"probability": 0.5}, "two_view": True},
            "optim": {"schedule": "constant", "learning_rate": 1e-3},
            "runtime": {"store": str(tmp_path / "store")},
            "batch_size": 16,
        }
    )
    context = Kept(tmp_path / "trial")
    trial.run({**settings, "epochs": 1}, context)
    assert np.isfinite(context.metrics["train/loss"])
    detector = Detector.load(tmp_path / "trial/export/detector", allow_code=True)
    data = DataConfig(root=tiny_corpus)
    assert evaluate(detector, data, "dev", tmp_path).eer == context.metrics["dev/eer_best"]
    first = read_split(data, "dev")[0]
    assert np.isfinite(detector.score_file(first.path))
