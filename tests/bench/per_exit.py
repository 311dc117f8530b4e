"""The training step written down plainly, exit by exit: what the fused one is measured and tested against.

Shapes: B utterances, F bins, T frames.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fsd_model.distillation.feature_losses import MAP_LOSSES, PROJECTED_LOSSES
from fsd_model.distillation.hard_loss import a_softmax, margin_lambda
from fsd_model.distillation.schedules import exit_weights
from fsd_model.distillation.soft_losses import SOFT_LOSSES
from fsd_model.distillation.total_loss import DistillConfig
from fsd_model.networks.exits import ExitOutput
from fsd_model.networks.multi_exit import MultiExitNetwork


def exit_by_exit(network: MultiExitNetwork, features_BFT: Tensor) -> list[ExitOutput]:
    """Every exit as soon as its segment is done."""
    maps = network.backbone.maps(features_BFT, network.cuts)
    return [leave(map_BCx) for leave, map_BCx in zip(network.exits, maps, strict=True)]


def plain_loss(config: DistillConfig, outputs: list[ExitOutput], labels_B: Tensor, step: int) -> Tensor:
    """The deepest exit teaches the others: hard, soft and feature loss, one exit after the other."""
    deepest = outputs[-1]
    total = deepest.norm_B.new_zeros(())
    for output in outputs if config.hard_on == "all" else outputs[-1:]:
        total = total + config.hard_weight * _hard(config, output, labels_B, step)
    weights = exit_weights(config.exit_weights, len(outputs) - 1)
    for output, weight in zip(outputs[:-1], weights, strict=True):
        soft, feature = _soft(config, output, deepest), _feature(config, output, deepest)
        total = total + weight * (config.soft_weight * soft + config.feature_weight * feature)
    return total


def _hard(config: DistillConfig, output: ExitOutput, labels_B: Tensor, step: int) -> Tensor:
    if config.hard_loss == "cross_entropy":
        return functional.cross_entropy(output.logits_BK, labels_B)
    lam = margin_lambda(step, config.lambda_schedule)
    return a_softmax(output.cosine_BK, output.norm_B, labels_B, lam)


def _soft(config: DistillConfig, student: ExitOutput, teacher: ExitOutput) -> Tensor | float:
    if config.soft == "none":
        return 0.0
    temperature = config.temperature
    if config.soft == "kl":
        soft = [torch.log_softmax(side.logits_BK / temperature, 1) for side in (student, teacher)]
        divergence = functional.kl_div(soft[0], soft[1].detach(), reduction="batchmean", log_target=True)
        return temperature**2 * divergence
    return SOFT_LOSSES[config.soft](student.logits_BK, teacher.logits_BK, temperature)


def _feature(config: DistillConfig, student: ExitOutput, teacher: ExitOutput) -> Tensor | float:
    if config.feature == "none":
        return 0.0
    if config.feature in MAP_LOSSES:
        return MAP_LOSSES[config.feature](student.map_BCx, teacher.map_BCx)
    projected_BD = student.projected_BD
    assert projected_BD is not None
    if config.feature == "mse":
        return functional.mse_loss(projected_BD, teacher.feature_BC.detach())
    return PROJECTED_LOSSES[config.feature](projected_BD, teacher.feature_BC)
