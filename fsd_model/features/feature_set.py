"""The features of one split, and one batch of them.

Shapes: M stored utterances, N utterances, F bins, T frames, B utterances of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fsd_model.data.utterance import Utterance
from fsd_model.features.device_cache import Resident, copy_to, to_device
from fsd_model.features.storage_format import from_stored, tensor_from_stored


@dataclass(frozen=True)
class FeatureSet:
    """Features of one split, or of some of its utterances.

    Attributes:
        features_MFT: as stored (see `storage_format`), read-only; of all M >= N stored utterances.
        labels_N: int64, 0 spoof, 1 bona fide.
        utterances: in the same order.
        rows_N: index of each utterance among the M; None if N = M.
        resident: copies on devices, shared with this object; see `device_cache`.
    """

    features_MFT: NDArray[Any]
    labels_N: NDArray[np.int64]
    utterances: tuple[Utterance, ...]
    rows_N: NDArray[np.int64] | None = None
    resident: dict[torch.device, Resident] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def batch(self, rows_B: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        """Return rows on the device: features (B, F, T) float32, labels (B,) int64."""
        if (resident := self.resident.get(device)) is not None:
            return resident.batch(to_device(rows_B, device))
        stored_BFT = torch.from_numpy(self._stored(rows_B)).to(device)
        return tensor_from_stored(stored_BFT), torch.from_numpy(self.labels_N[rows_B]).to(device)

    def features(self, rows_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a copy of rows, (B, F, T) float32."""
        return from_stored(self._stored(rows_B))

    @property
    def stored_bytes(self) -> int:
        """Size of the stored features of the N utterances, bytes."""
        return len(self.labels_N) * self.features_MFT[:1].nbytes

    def make_resident(self, device: torch.device) -> None:
        """Keep a copy on the device; later batches are gathered from it.

        Args:
            device: with its number, where it is a GPU.
        """
        if device not in self.resident:
            self.resident[device] = copy_to(device, self._stored, self.labels_N)

    def select(self, rows_K: NDArray[np.int64]) -> FeatureSet:
        """Return the utterances at `rows_K`, over the same memory map."""
        stored_K = rows_K if self.rows_N is None else self.rows_N[rows_K]
        utterances = tuple(self.utterances[row] for row in rows_K)
        return FeatureSet(self.features_MFT, self.labels_N[rows_K], utterances, stored_K)

    def _stored(self, rows_B: NDArray[np.int64]) -> NDArray[Any]:
        return self.features_MFT[rows_B if self.rows_N is None else self.rows_N[rows_B]]


@dataclass(frozen=True)
class Batch:
    """Input of one update.

    Attributes:
        features_BFT: what the network sees, float32.
        labels_B: int64, 0 spoof, 1 bona fide.
        clean_BFT: the same utterances without augmentation, for the teacher; None for one view.
    """

    features_BFT: Tensor
    labels_B: Tensor
    clean_BFT: Tensor | None = None
