"""Small feature sets whose classes differ by a smooth stripe, for tests that train within seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fsd_model.data.training_splits import DataConfig
from fsd_model.data.utterance import Utterance
from fsd_model.features.feature_set import FeatureSet
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData
from fsd_model.training.optim import OptimConfig
from fsd_model.training.resource_metrics import is_measured

BINS, FRAMES = 45, 48


def feature_set(count: int, seed: int, strength: float = 3.0) -> FeatureSet:
    """`count` utterances, every third bona fide; bona fide ones carry a stripe of energy."""
    rng = np.random.default_rng(seed)
    labels_N = (np.arange(count) % 3 == 0).astype(np.int64)
    features_NFT = rng.normal(-5, 2, (count, BINS, FRAMES))
    features_NFT[labels_N == 1, 10:16] += strength
    utterances = tuple(
        Utterance(f"U{i}", "S1", "-" if label else "A01", int(label), Path(f"U{i}.flac"), "-")
        for i, label in enumerate(labels_N)
    )
    return FeatureSet(features_NFT.astype(np.float16), labels_N, utterances)


def training_data(strength: float = 3.0) -> TrainingData:
    return TrainingData(
        feature_set(96, 1, strength), feature_set(30, 2, strength), digest=f"synthetic-{strength}"
    )


def reproducible(metrics: Mapping[str, float]) -> dict[str, float]:
    """What a seed fixes: not what was measured on the machine."""
    return {name: value for name, value in metrics.items() if not is_measured(name)}


def config(**changes: object) -> TrainConfig:
    base = TrainConfig(
        data=DataConfig(root=Path("nowhere")),
        network=NetworkConfig(depth=9),
        optim=OptimConfig(schedule="constant", learning_rate=2e-3),
        batch_size=16,
        epochs=3,
        seed=3,
    )
    return base.override(changes)
