"""The weighted sum of hard, soft and feature loss over all exits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fsd_model.exits import ExitOutput
from fsd_model.losses import LambdaSchedule, a_softmax, feature_loss, margin_lambda, soft_loss
from fsd_model.settings import Settings


class DistillConfig(Settings):
    """L = hard_weight * L_hard + soft_weight * sum_i L_soft(i) + feature_weight * sum_i L_feature(i).

    i runs over the shallow exits, and the sums are sums, not means. The weights of the published form
    alpha L_hard + (1 - alpha) sum L_soft + beta sum L_feature at alpha 0.7, beta 0.3 are the defaults; T is
    not in the paper, 3 is its laboratory's value.

    Attributes:
        hard_weight, soft_weight, feature_weight: >= 0.
        temperature: T of the soft loss, 0.1 to 100.
        hard_loss: A-softmax with m = 4, or plain cross-entropy on |x| cos(theta).
        hard_on: the exits that see the labels; with "all" their losses are summed.
        lambda_schedule: see `losses.margin_lambda`.
    """

    hard_weight: float = Field(0.7, ge=0)
    soft_weight: float = Field(0.3, ge=0)
    feature_weight: float = Field(0.3, ge=0)
    temperature: float = Field(3.0, ge=0.1, le=100)
    hard_loss: Literal["a_softmax", "cross_entropy"] = "a_softmax"
    hard_on: Literal["deepest", "all"] = "deepest"
    lambda_schedule: LambdaSchedule = "annealed"


@dataclass(frozen=True)
class LossTerms:
    """The loss of a batch and its unweighted terms, scalars in nats (feature: squared units)."""

    total: Tensor
    hard: Tensor
    soft: Tensor
    feature: Tensor


def _hard(config: DistillConfig, output: ExitOutput, labels_B: Tensor, step: int) -> Tensor:
    if config.hard_loss == "cross_entropy":
        return functional.cross_entropy(output.logits_BK, labels_B)
    lam = margin_lambda(step, config.lambda_schedule)
    return a_softmax(output.cosine_BK, output.norm_B, labels_B, lam)


def _sum(terms: Sequence[Tensor], like: Tensor) -> Tensor:
    return torch.stack(list(terms)).sum() if terms else torch.zeros_like(like)


def distill_loss(
    config: DistillConfig, outputs: Sequence[ExitOutput], labels_B: Tensor, step: int
) -> LossTerms:
    """Combine the losses of a batch.

    Args:
        config: weights, temperature, kinds.
        outputs: exits from the shallowest to the deepest; with one exit soft and feature loss are 0.
        labels_B: int64, 0 spoof, 1 bona fide.
        step: optimiser step, from 1 (drives the annealing of the margin).

    Source: arXiv 2303.01211, abstract and Fig. 1, with the weights of its Table 3.
    """
    *shallow, deepest = outputs
    supervised = outputs if config.hard_on == "all" else [deepest]
    first = _hard(config, supervised[0], labels_B, step)
    hard = first + _sum([_hard(config, o, labels_B, step) for o in supervised[1:]], first)
    soft = _sum([soft_loss(o.logits_BK, deepest.logits_BK, config.temperature) for o in shallow], first)
    projected = [o.projected_BD for o in shallow if o.projected_BD is not None]
    feature = _sum([feature_loss(p, deepest.feature_BC) for p in projected], first)
    total = config.hard_weight * hard + config.soft_weight * soft + config.feature_weight * feature
    return LossTerms(total, hard, soft, feature)
