"""The method as one function: the weighted sum of hard, soft and feature losses over all exits.

Read `DistillConfig`, then `distill_loss`; docs/distillation.md has the formula and every option.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from fsd_model.distillation.feature_losses import MAP_LOSSES, PROJECTED_LOSSES, FeatureKind
from fsd_model.distillation.hard_loss import LambdaSchedule, a_softmax, margin_lambda
from fsd_model.distillation.schedules import (
    ExitWeights,
    TemperatureSchedule,
    exit_weights,
    ramp_at,
    temperature_at,
)
from fsd_model.distillation.soft_losses import SOFT_LOSSES, SoftKind
from fsd_model.distillation.teacher import TeacherKind, Teaching, teach
from fsd_model.errors import InputError
from fsd_model.networks.adapters import AdapterKind
from fsd_model.networks.exits import ExitOutput
from fsd_model.settings import Settings


def compares_utterances(config: DistillConfig) -> str | None:
    """Return the setting that compares the utterances of a batch with each other, or None."""
    if config.soft == "margin_kl":
        return "distill.soft: margin_kl"
    if config.feature == "similarity_preserving":
        return "distill.feature: similarity_preserving"
    return None


class DistillConfig(Settings):
    """Settings of the loss L = hard_weight * L_hard + r * (soft_weight * L_soft + feature_weight *
    L_feature).

    L_soft and L_feature are sums w_i L(i), not means, over the exits i that learn from a teacher; by default
    r = 1 and w_i = 1. The weights of the published form alpha L_hard + (1 - alpha) sum L_soft + beta sum
    L_feature at alpha 0.7, beta 0.3 are the defaults; T is not in the paper, 3 is its laboratory's value.

    Attributes:
        hard_weight, soft_weight, feature_weight: weights of the three terms.
        temperature: T of the soft loss, 0.1 to 100.
        temperature_schedule, temperature_end: T moves from `temperature` to `temperature_end`; see
            `distillation.schedules.temperature_at`.
        hard_loss: A-softmax with m = 4, or plain cross-entropy on |x| cos(theta).
        hard_on: the exits that see the labels; with "all" their losses are summed.
        lambda_schedule: see `distillation.hard_loss.margin_lambda`.
        soft: see `soft_losses`.
        feature: see `feature_losses`.
        adapter: projects a shallow feature to the deepest width, for mse and cosine; see `networks.adapters`.
        teacher: see `distillation.teacher.teach`.
        ema_decay: decay of the teacher "ema"; see `distillation.teacher.EmaTeacher`.
        exit_weights: w of the shallow exits, a profile or numbers; see `distillation.schedules.exit_weights`.
            The deepest exit, where it learns, has 1.
        ramp: fraction of training over which r rises from 0 to 1; 0 is off. See
            `distillation.schedules.ramp_at`.
    """

    hard_weight: float = Field(0.7, ge=0)
    soft_weight: float = Field(0.3, ge=0)
    feature_weight: float = Field(0.3, ge=0)
    temperature: float = Field(3.0, ge=0.1, le=100)
    temperature_schedule: TemperatureSchedule = "fixed"
    temperature_end: float = Field(1.0, ge=0.1, le=100)
    hard_loss: Literal["a_softmax", "cross_entropy"] = "a_softmax"
    hard_on: Literal["deepest", "all"] = "deepest"
    lambda_schedule: LambdaSchedule = "annealed"
    soft: SoftKind = "kl"
    feature: FeatureKind = "mse"
    adapter: AdapterKind = "linear"
    teacher: TeacherKind = "deepest"
    ema_decay: float = Field(0.999, ge=0, lt=1)
    exit_weights: ExitWeights = "uniform"
    ramp: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _no_scale_balance(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "scale_balance" not in given:
            return given
        if given["scale_balance"] is not False:
            raise InputError("distill.scale_balance: is no longer a setting; remove it")
        return {key: value for key, value in given.items() if key != "scale_balance"}

    @property
    def needed_adapter(self) -> AdapterKind | None:
        """Adapter that the shallow exits need; None where the feature loss reads maps or is off."""
        return self.adapter if self.feature in PROJECTED_LOSSES else None


@dataclass(frozen=True)
class LossTerms:
    """Loss of a batch and its unweighted terms, scalars in nats (feature: see `feature_losses`)."""

    total: Tensor
    hard: Tensor
    soft: Tensor
    feature: Tensor


@dataclass(frozen=True)
class Scalars:
    """The numbers of one update's loss that come from the settings: floats, or tensors without axes.

    As tensors they can change between two replays of a recorded update and be batched over several
    configurations.

    Attributes:
        hard, soft, feature: weights of the three terms, the last two times the ramp.
        temperature: T of the soft loss.
        margin: lambda of the margin, see `distillation.hard_loss.margin_lambda`.
    """

    hard: float | Tensor
    soft: float | Tensor
    feature: float | Tensor
    temperature: float | Tensor
    margin: float | Tensor


def scalars_at(config: DistillConfig, step: int, progress: float = 0.0) -> Scalars:
    """Return the scalars of one update as floats.

    Args:
        config: weights, temperature and their schedules.
        step: optimiser step, from 1 (drives the annealing of the margin).
        progress: fraction of training done, 0 to 1 (drives temperature and ramp).
    """
    ramp = ramp_at(config.ramp, progress)
    return Scalars(
        config.hard_weight,
        config.soft_weight * ramp,
        config.feature_weight * ramp,
        temperature_at(config.temperature_schedule, config.temperature, config.temperature_end, progress),
        margin_lambda(step, config.lambda_schedule),
    )


def _hard(
    config: DistillConfig, outputs: Sequence[ExitOutput], labels_B: Tensor, margin: float | Tensor
) -> Tensor:
    """Return the sum over the exits of their means over the batch."""
    cosine_NK = torch.cat([output.cosine_BK for output in outputs])
    norm_N = torch.cat([output.norm_B for output in outputs])
    labels_N = labels_B.repeat(len(outputs))
    if config.hard_loss == "cross_entropy":
        mean = functional.cross_entropy(norm_N[:, None] * cosine_NK, labels_N)
    else:
        mean = a_softmax(cosine_NK, norm_N, labels_N, margin)
    return mean * len(outputs)


def _soft(config: DistillConfig, teaching: Teaching, temperature: float | Tensor) -> Tensor | None:
    """Return the loss of each learner, (S,); None without one."""
    learners = teaching.soft_learners
    if config.soft == "none" or not learners:
        return None
    norm_SB = torch.stack([learner.norm_B for learner in learners])
    cosine_SBK = torch.stack([learner.cosine_BK for learner in learners])
    return SOFT_LOSSES[config.soft](norm_SB[..., None] * cosine_SBK, teaching.logits_BK, temperature)


def _feature(config: DistillConfig, teaching: Teaching) -> Tensor | None:
    """Return the loss of each learner, (S,); None without one."""
    learners = teaching.feature_learners
    if config.feature == "none" or not learners:
        return None
    if config.feature in MAP_LOSSES:
        loss = MAP_LOSSES[config.feature]
        return torch.stack([loss(learner.map_BCx, teaching.map_BCx) for learner in learners])
    projected = [o.feature_BC if o.projected_BD is None else o.projected_BD for o in learners]
    return PROJECTED_LOSSES[config.feature](torch.stack(projected), teaching.feature_BC)


def _sum(terms_S: Tensor | None, weights: Sequence[float], like: Tensor) -> Tensor:
    if terms_S is None:
        return torch.zeros_like(like)
    used = weights[: len(terms_S)]
    if set(used) == {1.0}:
        return terms_S.sum()
    # by numbers: a tensor of the weights would be a copy to the device, which no recorded update may hold
    return torch.stack([term * weight for term, weight in zip(terms_S.unbind(), used, strict=True)]).sum()


def distill_loss(
    config: DistillConfig,
    outputs: Sequence[ExitOutput],
    labels_B: Tensor,
    scalars: Scalars,
    teaching: Teaching | None = None,
) -> LossTerms:
    """Combine the losses of a batch.

    Args:
        config: kinds of losses and teacher; of its numbers only `exit_weights` are read.
        outputs: exits from the shallowest to the deepest; with one exit, soft and feature loss are 0.
        labels_B: int64, 0 spoof, 1 bona fide.
        scalars: numbers of this update, see `scalars_at`.
        teaching: targets and learners; None for one view of the batch with a teacher among `outputs`.

    Returns:
        The loss and its terms, scalars with a gradient.

    Source: arXiv 2303.01211, abstract and Fig. 1, with the weights of its Table 3.
    """
    teaching = teaching or teach(config.teacher, outputs)
    supervised = outputs if config.hard_on == "all" else outputs[-1:]
    hard = _hard(config, supervised, labels_B, scalars.margin)
    weights = (*exit_weights(config.exit_weights, len(outputs) - 1), 1.0)
    soft = _sum(_soft(config, teaching, scalars.temperature), weights, hard)
    feature = _sum(_feature(config, teaching), weights, hard)
    total = scalars.hard * hard + scalars.soft * soft + scalars.feature * feature
    return LossTerms(total, hard, soft, feature)
