"""Adam, its learning rate, and the interface of another way to compute an update."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from fsd_model.distillation.total_loss import Scalars
from fsd_model.settings import Settings


class OptimConfig(Settings):
    """Settings of Adam as in the paper's trainer: betas (0.9, 0.98), eps 1e-9, AMSGrad.

    Attributes:
        schedule: "noam" (warm-up, then 1/sqrt(step)) or "constant".
        learning_rate: rate of the constant schedule.
        model_size, warmup_steps: parameters of the Noam schedule; its peak is (model_size *
            warmup_steps)^-0.5.
        weight_decay: L2 penalty inside Adam.
    """

    schedule: Literal["noam", "constant"] = "noam"
    learning_rate: float = Field(1e-4, gt=0, le=1)
    model_size: int = Field(64, ge=1)
    warmup_steps: int = Field(1000, ge=1)
    weight_decay: float = Field(1e-4, ge=0)


def learning_rate(config: OptimConfig, step: int) -> float:
    """Return the learning rate of update `step` (from 1).

    Noam: model_size^-0.5 * min(step^-0.5, step * warmup^-1.5), peak 3.95e-3 at step 1000 by default.

    Source: Vaswani et al. 2017, section 5.3.
    """
    if config.schedule == "constant":
        return config.learning_rate
    return float(config.model_size**-0.5 * min(step**-0.5, step * config.warmup_steps**-1.5))


def build_optimiser(config: OptimConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
    """Return Adam over all trained parameters, adapters included; fused where torch supports it."""
    trained = list(parameters)
    return torch.optim.Adam(
        trained,
        lr=learning_rate(config, 1),
        betas=(0.9, 0.98),
        eps=1e-9,
        weight_decay=config.weight_decay,
        amsgrad=True,
        fused=all(each.is_floating_point() and each.device.type in ("cpu", "cuda") for each in trained),
    )


def fill_gradients(optimiser: torch.optim.Optimizer) -> None:
    """Set zeros as gradient of each parameter that no loss read: weight decay and moments treat all alike."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float | Tensor) -> None:
    """Set the rate of every parameter group for the next update; a tensor where the update is recorded."""
    for group in optimiser.param_groups:
        group["lr"] = rate


class UpdateRunner(Protocol):
    """Computes updates in another way than `Trainer.update`, with equal results."""

    def step(
        self,
        rows_B: NDArray[np.int64],
        epoch: int,
        scalars: Scalars,
        rate: float,
        eager_update: Callable[[], Tensor],
    ) -> Tensor:
        """Compute one update; returns total, hard, soft and feature loss before it, (4,)."""
