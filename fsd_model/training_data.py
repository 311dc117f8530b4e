"""The features and labels of train and dev, as memory maps. Eval is out of reach from here.

Shapes: N utterances, F bins, T frames, B utterances of a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fsd_model.config import TrainConfig
from fsd_model.dataset import Utterance, read_split
from fsd_model.feature_store import default_store, open_features

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FeatureSet:
    """Features of one split.

    Attributes:
        features_NFT: float16, read-only.
        labels_N: int64, 0 spoof, 1 bona fide.
        utterances: in the same order.
    """

    features_NFT: NDArray[np.float16]
    labels_N: NDArray[np.int64]
    utterances: tuple[Utterance, ...]

    def batch(self, rows_B: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        """Rows on the device: features (B, F, T) float32, labels (B,) int64; the map stays as it is."""
        features_BFT = torch.from_numpy(self.features_NFT[rows_B])
        labels_B = torch.from_numpy(self.labels_N[rows_B])
        return features_BFT.to(device).float(), labels_B.to(device)


@dataclass(frozen=True)
class TrainingData:
    """Train, dev, and the digest of both (audio bytes, names and labels)."""

    train: FeatureSet
    dev: FeatureSet
    digest: str


def open_training_data(config: TrainConfig, progress: Progress | None = None) -> TrainingData:
    """Open the features of train and dev, computing them where the store has none yet.

    Raises:
        InputError: a fault in protocols or audio, with file and line.
    """
    store = config.runtime.store or default_store()
    sets: list[FeatureSet] = []
    digest = hashlib.sha256()
    for split in ("train", "dev"):
        utterances = read_split(config.data.root, config.data.track, split)
        stored = open_features(store, utterances, config.feature, progress)
        labels_N = np.array([u.label for u in utterances], dtype=np.int64)
        sets.append(FeatureSet(stored.array, labels_N, tuple(utterances)))
        digest.update(stored.content_digest.encode())
    return TrainingData(sets[0], sets[1], digest.hexdigest())


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers of each batch of an epoch; the order depends on (seed, epoch) alone.

    A last batch of one utterance is dropped, as batch normalisation has nothing to normalise over.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    for start in range(0, count, batch_size):
        rows_B = order[start : start + batch_size]
        if len(rows_B) > 1:
            yield rows_B
