"""Running sizes of the loss terms, so that a weight means the same at any width, batch or number of exits."""

from __future__ import annotations

import torch
from torch import Tensor

DECAY = 0.99
LARGEST = 1e4
_TINY = 1e-30


class ScaleBalance:
    """Factors that bring the soft and the feature term to the size of the hard loss.

    Of each of the three terms a running mean of its size is kept, detached: m <- 0.99 m + 0.01 |term|, this
    update's value included; the bias corrections m / (1 - 0.99^t) cancel in the ratio. The factor of a term
    is the hard loss's m over its own, at most 10,000 (a term that is rounding noise stays noise). So at the
    first update each term weighs exactly what the hard loss does, later on average; the weights become
    shares relative to the hard loss. A single batch can weigh no more than 100 running hard losses.

    A term is the whole sum over exits, exit weights included; ramp and weights come after.

    Source: this project.
    """

    def __init__(self) -> None:
        self.sizes = torch.zeros(3)

    def factors(self, hard: Tensor, soft: Tensor, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Take this update's terms into the running means; return the factors of soft and feature term."""
        now = torch.stack([hard, soft, feature]).detach().abs()
        self.sizes = DECAY * self.sizes.to(now) + (1 - DECAY) * now
        own = self.sizes[0]
        soft_factor, feature_factor = (own / self.sizes[1:].clamp_min(own / LARGEST + _TINY)).unbind()
        return soft_factor, feature_factor

    def state_dict(self) -> dict[str, Tensor]:
        return {"sizes": self.sizes.cpu()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.sizes = state["sizes"]
