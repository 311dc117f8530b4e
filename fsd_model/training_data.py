"""The features and labels of train and dev, as memory maps. Eval is out of reach from here.

Shapes: M stored utterances, N utterances, F bins, T frames, B utterances of a batch.
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
    """Features of one split, or of some of its utterances.

    Attributes:
        features_MFT: float16, read-only; of all M >= N stored utterances.
        labels_N: int64, 0 spoof, 1 bona fide.
        utterances: in the same order.
        rows_N: where each utterance lies among the M; None where that is its own number.
    """

    features_MFT: NDArray[np.float16]
    labels_N: NDArray[np.int64]
    utterances: tuple[Utterance, ...]
    rows_N: NDArray[np.int64] | None = None

    def batch(self, rows_B: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        """Rows on the device: features (B, F, T) float32, labels (B,) int64; the map stays as it is."""
        features_BFT = torch.from_numpy(self._stored(rows_B))
        labels_B = torch.from_numpy(self.labels_N[rows_B])
        return features_BFT.to(device).float(), labels_B.to(device)

    def features(self, rows_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """A copy of rows, (B, F, T) float32."""
        return self._stored(rows_B).astype(np.float32)

    def select(self, rows_K: NDArray[np.int64]) -> FeatureSet:
        """The utterances at `rows_K`, over the same memory map."""
        stored_K = rows_K if self.rows_N is None else self.rows_N[rows_K]
        utterances = tuple(self.utterances[row] for row in rows_K)
        return FeatureSet(self.features_MFT, self.labels_N[rows_K], utterances, stored_K)

    def _stored(self, rows_B: NDArray[np.int64]) -> NDArray[np.float16]:
        return self.features_MFT[rows_B if self.rows_N is None else self.rows_N[rows_B]]


@dataclass(frozen=True)
class Batch:
    """What one update trains on.

    Attributes:
        features_BFT: what the network sees, float32.
        labels_B: int64, 0 spoof, 1 bona fide.
        clean_BFT: the same utterances without augmentation, for a teacher that sees them clean; else None.
    """

    features_BFT: Tensor
    labels_B: Tensor
    clean_BFT: Tensor | None = None


@dataclass(frozen=True)
class TrainingData:
    """Train, dev, and the digest of both (audio bytes, names and labels)."""

    train: FeatureSet
    dev: FeatureSet
    digest: str

    def train_batch(self, rows_B: NDArray[np.int64], epoch: int, device: torch.device) -> Batch:
        """Training rows of an epoch (counted from 0) on the device."""
        return Batch(*self.train.batch(rows_B, device))


def open_training_data(config: TrainConfig, progress: Progress | None = None) -> TrainingData:
    """Open the features of train and dev, computing them where the store has none yet.

    Raises:
        InputError: a fault in protocols or audio, with file and line.
    """
    store = config.runtime.store or default_store()
    sets: list[FeatureSet] = []
    digest = hashlib.sha256()
    for split in ("train", "dev"):
        utterances = read_split(config.data, split)
        stored = open_features(store, utterances, config.feature, progress)
        labels_N = np.array([u.label for u in utterances], dtype=np.int64)
        sets.append(FeatureSet(stored.array, labels_N, tuple(utterances)))
        digest.update(stored.content_digest.encode())
    return TrainingData(sets[0], sets[1], digest.hexdigest())


def updates_per_epoch(count: int, batch_size: int) -> int:
    """Batches that `shuffled_batches` makes of `count` utterances."""
    whole, rest = divmod(count, batch_size)
    return whole + (rest > 1)


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers of each batch of an epoch; the order depends on (seed, epoch) alone.

    A last batch of one utterance is dropped, as batch normalisation has nothing to normalise over.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    for start in range(0, count, batch_size):
        rows_B = order[start : start + batch_size]
        if len(rows_B) > 1:
            yield rows_B
