"""A GPU that is not there: tensors without data say what an update would ask of one.

Shapes: B utterances of a batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from fsd_model.features.device_cache import Resident
from fsd_model.training.optim import build_optimiser
from fsd_model.training.trainer import Trainer


class CrossingError(AssertionError):
    """An operation on tensors of two devices: a copy that a recorded update must not hold, or a mistake."""


class OneDevice(TorchDispatchMode):
    """Lets no operation have tensors of two devices.

    Attributes:
        optimiser: what the fused Adam was given; it is not run, as torch has no fake of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.optimiser: list[tuple[str, set[tuple[str, torch.dtype]]]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = _tensors((args, kwargs))
        if "_fused_adam_" in operation.name():
            self.optimiser.append((operation.name(), {(str(each.device), each.dtype) for each in given}))
            return None
        result = operation(*args, **(kwargs or {}))
        devices = {str(each.device) for each in [*given, *_tensors(result)]}
        if len(devices) > 1:
            raise CrossingError(f"{operation.name()}: {', '.join(sorted(devices))}")
        return result


def _tensors(value: Any) -> list[torch.Tensor]:
    return [each for each in tree_flatten(value)[0] if isinstance(each, torch.Tensor)]


def move(trainer: Trainer, device: torch.device, mode: FakeTensorMode) -> None:
    """Put a trainer on a device, without its numbers; to be called and used under `mode`."""
    for module in trainer.network.modules():
        for name, own in list(module._parameters.items()):
            if own is not None:
                empty = torch.empty_strided(own.shape, own.stride(), device=device)
                module._parameters[name] = nn.Parameter(empty)
        for name, kept in list(module._buffers.items()):
            if kept is not None:
                module._buffers[name] = torch.empty(kept.shape, dtype=kept.dtype, device=device)
    trainer.device = device
    trainer.optimiser = build_optimiser(trainer.config.optim, trainer.network.parameters())
    stored_NFT = torch.empty(trainer.data.train.features_MFT.shape, dtype=torch.float16, device=device)
    labels_N = torch.empty(len(stored_NFT), dtype=torch.int64, device=device)
    trainer.data.train.resident[labels_N.device] = Resident(stored_NFT, labels_N)
