"""Features of a split in GPU memory, in their stored form; batches are gathered there.

A batch then costs two small operations and an asynchronous copy of its row numbers, instead of gathering on
the host and a copy that blocks. Runs on any device, so tests compare it on the CPU, bit for bit. Not run on a
GPU yet.

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
"""Share of the free GPU memory for features under "auto": several trials may start at once."""

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
        """Return features (B, F, T) float32 and labels (B,) of row numbers on the device."""
        return tensor_from_stored(self.stored_NFT.index_select(0, rows_B)), self.labels_N[rows_B]


class Copyable(Protocol):
    """A split that can be copied to a device: `FeatureSet`."""

    @property
    def stored_bytes(self) -> int:
        """Size of the stored features, bytes."""

    def make_resident(self, device: torch.device) -> None:
        """Copy it to the device, unless it is there."""


def copy_to(
    device: torch.device, stored: Callable[[NDArray[np.int64]], NDArray[Any]], labels_N: NDArray[np.int64]
) -> Resident:
    """Copy a split piece by piece, so that the host never holds it as a whole.

    Args:
        device: target.
        stored: returns a copy of rows, (B, F, T) in stored form.
        labels_N: labels of all rows.
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
    """Return a host tensor that can be copied to the device asynchronously.

    For a GPU it lies in pinned memory, which torch reuses only after the copy.
    """
    tensor = torch.from_numpy(values)
    return tensor.pin_memory() if device.type == "cuda" else tensor


def to_device(values: NDArray[Any], device: torch.device) -> Tensor:
    """Copy to the device; on a GPU the host does not wait for the copy."""
    return ready_for(device, values).to(device, non_blocking=True)


def keep_resident(sets: Sequence[Copyable], device: torch.device, choice: Residence) -> None:
    """Copy the splits of a training run to its device according to `runtime.resident`."""
    if choice is True or (choice == "auto" and device.type == "cuda" and _fit(sets, device)):
        for each in sets:
            each.make_resident(device)


def _fit(sets: Sequence[Copyable], device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return sum(each.stored_bytes for each in sets) <= SHARE * free
