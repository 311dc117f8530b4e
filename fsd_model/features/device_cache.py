"""Features of a split in the memory of a GPU, as they are stored, and gathered there.

A batch then costs two small operations and a copy of its row numbers that nobody waits for, where it would be
gathered on the host, copied and waited for. Runs on any device, so tests compare it on the CPU, bit for bit.
Not run on a GPU yet.

Shapes: N utterances, F bins, T frames, B utterances of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fsd_model.features.storage_format import tensor_from_stored

Residence = bool | Literal["auto"]

SHARE = 1 / 8
"""Of the GPU's free memory, what features may take under "auto": several trials may begin on it at once."""

_AT_ONCE = 1024  # utterances read from the memory map before they are copied


@dataclass(frozen=True)
class Resident:
    """A split on a device.

    Attributes:
        stored_NFT: as in the feature store: float16, or int16 for waveforms.
        labels_N: int64.
    """

    stored_NFT: Tensor
    labels_N: Tensor

    def batch(self, rows_B: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, F, T) float32 and labels (B,) of rows whose numbers are on the device."""
        return tensor_from_stored(self.stored_NFT.index_select(0, rows_B)), self.labels_N[rows_B]


class Copyable(Protocol):
    """What can be made resident: `FeatureSet`."""

    @property
    def stored_bytes(self) -> int:
        """Of its own utterances."""

    def make_resident(self, device: torch.device) -> None:
        """Copy it there, unless that was done before."""


def copy_to(
    device: torch.device, stored: Callable[[NDArray[np.int64]], NDArray[Any]], labels_N: NDArray[np.int64]
) -> Resident:
    """Copy a split piece by piece, so that the host never holds it as a whole.

    Args:
        device: where to.
        stored: gives a copy of rows, (B, F, T) in stored form.
        labels_N: of all rows.
    """
    pieces = _pieces(stored, len(labels_N))
    first = next(pieces)
    stored_NFT = torch.empty((len(labels_N), *first.shape[1:]), dtype=first.dtype, device=device)
    stored_NFT[: len(first)] = first
    done = len(first)
    for piece in pieces:
        stored_NFT[done : done + len(piece)] = piece
        done += len(piece)
    return Resident(stored_NFT, torch.from_numpy(labels_N).to(device))


def _pieces(stored: Callable[[NDArray[np.int64]], NDArray[Any]], count: int) -> Iterator[Tensor]:
    for start in range(0, count, _AT_ONCE):
        yield torch.from_numpy(stored(np.arange(start, min(start + _AT_ONCE, count))))


def ready_for(device: torch.device, values: NDArray[Any]) -> Tensor:
    """Numbers on the host that can be copied to the device without a wait.

    For a GPU they lie in pinned memory, which torch hands out again only after the copy.
    """
    tensor = torch.from_numpy(values)
    return tensor.pin_memory() if device.type == "cuda" else tensor


def to_device(values: NDArray[Any], device: torch.device) -> Tensor:
    """Numbers on the device; on a GPU the host does not wait for the copy."""
    return ready_for(device, values).to(device, non_blocking=True)


def keep_resident(sets: Sequence[Copyable], device: torch.device, choice: Residence) -> None:
    """Copy the splits of a training to its device, as `runtime.resident` says."""
    if choice is True or (choice == "auto" and device.type == "cuda" and _fit(sets, device)):
        for each in sets:
            each.make_resident(device)


def _fit(sets: Sequence[Copyable], device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return sum(each.stored_bytes for each in sets) <= SHARE * free
