"""Exits and the loss over them: values and gradients of the plain formula, memory format, operations."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from fsd_model.distillation.distiller import Distiller
from fsd_model.distillation.feature_losses import PROJECTED_LOSSES
from fsd_model.distillation.soft_losses import SOFT_LOSSES
from fsd_model.distillation.total_loss import DistillConfig, distill_loss, scalars_at
from fsd_model.features.feature_set import Batch
from fsd_model.networks.attention_resnet import Backbone, build_backbone
from fsd_model.networks.exits import MapShape, average_in_format, global_average
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.training.optim import OptimConfig, build_optimiser
from tests.bench.launches import launches
from tests.bench.per_exit import plain_loss

LABELS = torch.tensor([0, 1, 1, 0, 0])
CONFIGS = [
    DistillConfig(),
    DistillConfig(hard_on="all", exit_weights="deeper", temperature=1.5),
    DistillConfig(hard_on="all", hard_loss="cross_entropy", exit_weights=(0.5, 0.0, 2.0)),
    *(DistillConfig(adapter=adapter) for adapter in ("conv", "pool")),
    DistillConfig(soft="js", feature="cosine", adapter="conv"),
    DistillConfig(soft="margin_kl", feature="attention_transfer"),
    DistillConfig(soft="none", feature="similarity_preserving"),
    DistillConfig(feature="none"),
]


def built(adapter) -> MultiExitNetwork:
    torch.manual_seed(5)
    return MultiExitNetwork(build_backbone("ecanet", 9), (1, 2, 3), adapter)


def narrowing(adapter="linear") -> MultiExitNetwork:
    """Widths that fall and rise, the deepest neither widest nor narrowest."""
    torch.manual_seed(6)
    widths = (4, 12, 5, 9)
    blocks = [nn.Conv2d(c_in, c_out, 3) for c_in, c_out in pairwise(widths)]
    shapes = [MapShape(channels, axes=2) for channels in widths[1:]]
    return MultiExitNetwork(Backbone(nn.Conv2d(1, 4, 3), blocks, shapes, [1, 2, 3]), (1, 2), adapter)


def assert_near(got, expected, tolerance=1e-5):
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance * max(scale, 1e-3))


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_average_s_gradient_has_the_format_of_the_map(memory, dtype):
    map_BCFT = torch.randn(2, 3, 4, 5).to(dtype=dtype, memory_format=memory).requires_grad_()
    average = average_in_format(map_BCFT)
    torch.testing.assert_close(average, global_average(map_BCFT))
    (gradient,) = torch.autograd.grad(average.sum(), map_BCFT)
    assert gradient.dtype == dtype
    assert gradient.is_contiguous(memory_format=memory)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / 20))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.soft}-{c.feature}-{c.adapter}-{c.hard_on}")
def test_loss_and_every_gradient_are_those_of_the_plain_form(config):
    network = built(config.needed_adapter)
    x = torch.randn(5, 45, 40)
    gradients = []
    for loss in (
        distill_loss(config, network(x), LABELS, scalars_at(config, 7)).total,
        plain_loss(config, network(x), LABELS, 7),
    ):
        network.zero_grad()
        loss.backward()
        gradients.append((loss, {n: p.grad for n, p in network.named_parameters()}))
    (got, own), (expected, plain) = gradients
    assert_near(got, expected)
    for name, gradient in plain.items():
        if gradient is None:  # an exit that no loss reads
            assert own[name] is None or not own[name].any()
        else:
            assert_near(own[name], gradient, 1e-4)


def test_a_zero_feature_has_cosine_zero_and_finite_gradients():
    network = narrowing()
    nn.init.zeros_(network.backbone.blocks[-1].weight)
    nn.init.zeros_(network.backbone.blocks[-1].bias)
    outputs = network(torch.randn(5, 45, 40))
    assert not outputs[-1].cosine_BK.any()
    outputs[-1].cosine_BK.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("loss", [*SOFT_LOSSES.values(), *PROJECTED_LOSSES.values()])
def test_losses_of_several_students_are_those_of_each(loss):
    torch.manual_seed(7)
    students, teacher = torch.randn(3, 6, 2), torch.randn(6, 2)
    temperature = [2.0] if loss in SOFT_LOSSES.values() else []
    each = torch.stack([loss(student, teacher, *temperature) for student in students])
    torch.testing.assert_close(loss(students, teacher, *temperature), each)


def test_three_more_exits_cost_at_most_three_fifths_more_operations():
    counts = {}
    for cuts in ((), (2, 4, 6)):
        network = MultiExitNetwork(build_backbone("ecanet", 18), cuts)
        optimiser = build_optimiser(OptimConfig(), network.parameters())
        distiller = Distiller(DistillConfig(), network, 10, half=False)
        batch = Batch(torch.randn(5, 45, 40), LABELS)

        def step(optimiser=optimiser, distiller=distiller, batch=batch):
            optimiser.zero_grad()
            distiller.loss(batch, distiller.scalars(1)).total.backward()
            optimiser.step()

        counts[cuts] = launches(step)
    assert counts[2, 4, 6] < 1.6 * counts[()], counts
