"""Features and labels of train and dev, as memory maps. This module must not read eval.

Shapes: M stored utterances, N utterances, F bins, T frames, B utterances of a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fsd_model.augmentation.pipeline import Augmentation, open_augmentation
from fsd_model.augmentation.spec_augment import spec_augment
from fsd_model.data.bad_files import LeftOut
from fsd_model.data.training_splits import read_split
from fsd_model.features.device_cache import to_device
from fsd_model.features.feature_set import Batch, FeatureSet
from fsd_model.features.store import default_store, open_features
from fsd_model.progress import Progress
from fsd_model.training.config import TrainConfig


@dataclass(frozen=True)
class TrainingData:
    """The train and dev splits and their origin.

    Attributes:
        train, dev: features and labels.
        digest: SHA-256 over audio bytes, names and labels of both, and over the noise files in use.
        left_out: bad files, which neither contains.
        augmentation: applied to training batches; None for none.
    """

    train: FeatureSet
    dev: FeatureSet
    digest: str
    left_out: tuple[LeftOut, ...] = ()
    augmentation: Augmentation | None = None

    def train_batch(self, rows_B: NDArray[np.int64], epoch: int, device: torch.device) -> Batch:
        """Return training rows of an epoch (counted from 0) on the device, augmented as configured.

        An utterance's augmentation depends on its name, the epoch and the seed only.
        """
        if self.augmentation is None:
            return Batch(*self.train.batch(rows_B, device))
        spans_BM2 = to_device(self.mask_spans(rows_B, epoch), device)
        clean_BFT, labels_B = self.train.batch(rows_B, device)
        features_BFT = clean_BFT
        if self.augmentation.config.changes_waveforms:
            names = [self.train.utterances[row].name for row in rows_B]
            changed = self.augmentation.batch(self.train.features(rows_B), names, epoch)
            features_BFT = torch.from_numpy(changed).to(device)
        return self._masked(features_BFT, clean_BFT, labels_B, spans_BM2)

    def mask_spans(self, rows_B: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Return the SpecAugment masks of training rows, (B, M, 2), see `Augmentation.spans`; M =
        0 without.
        """
        if self.augmentation is None:
            return np.zeros((len(rows_B), 0, 2), dtype=np.int64)
        names = [self.train.utterances[row].name for row in rows_B]
        return self.augmentation.spans(names, self.train.features_MFT.shape[1:], epoch)

    def resident_batch(self, rows_B: Tensor, spans_BM2: Tensor) -> Batch:
        """Return the same as `train_batch`, from row numbers on a device where train is resident.

        Equal bit for bit. Only for features without augmentation of the waveform.
        """
        clean_BFT, labels_B = self.train.resident[rows_B.device].batch(rows_B)
        return self._masked(clean_BFT, clean_BFT, labels_B, spans_BM2)

    def _masked(self, features_BFT: Tensor, clean_BFT: Tensor, labels_B: Tensor, spans_BM2: Tensor) -> Batch:
        if self.augmentation is None:
            return Batch(clean_BFT, labels_B)
        config = self.augmentation.config
        masked_BFT = spec_augment(config.spec, features_BFT, spans_BM2)
        return Batch(masked_BFT, labels_B, clean_BFT if config.two_view else None)


def open_training_data(config: TrainConfig, progress: Progress | None = None) -> TrainingData:
    """Open the features of train and dev, computing them where the store has none yet.

    Raises:
        InputError: a fault in protocols or audio, with file and line.
    """
    store = config.runtime.store or default_store()
    sets: list[FeatureSet] = []
    left_out: list[LeftOut] = []
    digest = hashlib.sha256()
    for split in ("train", "dev"):
        utterances = read_split(config.data, split)
        stored = open_features(store, utterances, config.feature, progress, config.data.skip_bad)
        labels_N = np.array([u.label for u in stored.utterances], dtype=np.int64)
        sets.append(FeatureSet(stored.array, labels_N, stored.utterances))
        left_out += stored.left_out
        digest.update(stored.content_digest.encode())
    augmentation = open_augmentation(
        config.augment,
        config.feature,
        config.seed,
        config.runtime.threads,
        store,
        sets[0].utterances,
        progress,
    )
    if augmentation is not None and augmentation.noise is not None:
        digest.update(augmentation.noise.digest(store).encode())
    return TrainingData(sets[0], sets[1], digest.hexdigest(), tuple(left_out), augmentation)


def updates_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of batches of `shuffled_batches` for `count` utterances."""
    whole, rest = divmod(count, batch_size)
    return whole + (rest > 1)


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each batch of an epoch; the order depends on (seed, epoch) only.

    A last batch of one utterance is dropped: batch norm needs two.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    for start in range(0, count, batch_size):
        rows_B = order[start : start + batch_size]
        if len(rows_B) > 1:
            yield rows_B
