"""The file with the state of a training: written whole or not at all, read without unpickling."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from fsd_model.atomic_write import replacing
from fsd_model.errors import InputError

STATE_FILE = "state.pt"


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) to `folder/state.pt` through a temporary file.

    Raises:
        InputError: the file cannot be written (full disk, permissions); nothing half-written is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(folder / STATE_FILE) as temporary, temporary.open("wb") as stream:
            torch.save(state, stream)
    except (OSError, RuntimeError) as error:  # torch reports a short write as RuntimeError
        raise InputError(f"{folder}: cannot save the training state ({error}); free some space") from error


def read_state(folder: Path) -> dict[str, Any]:
    """Read what `write_state` wrote, on the CPU.

    Raises:
        InputError: missing or damaged file.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise InputError(f"{path}: no training state here; give a folder that `Trainer.save` wrote")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, KeyError, ValueError) as error:
        kind = type(error).__name__
        raise InputError(f"{path}: damaged training state ({kind}); delete it and start again") from error
    return state
