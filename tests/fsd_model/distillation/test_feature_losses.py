"""Feature losses against NumPy, their ranges and what they must not see."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine

from fsd_model.distillation.feature_losses import (
    MAP_LOSSES,
    PROJECTED_LOSSES,
    FeatureKind,
    attention_map,
    attention_transfer_loss,
    cosine_loss,
    require_axes,
    similarity_preserving_loss,
)
from fsd_model.errors import InputError

LOSSES = {**PROJECTED_LOSSES, **MAP_LOSSES}
every_loss = pytest.mark.parametrize("kind", LOSSES)


def pair(kind, batch=6):
    generator = torch.Generator().manual_seed(3)
    shape = (batch, 8) if kind in PROJECTED_LOSSES else (batch, 8, 4, 6)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).float() for _ in range(2)]


def test_every_kind_has_its_function():
    assert {*LOSSES, "none"} == set(get_args(FeatureKind))


def test_cosine_is_scipy_s_distance():
    student, teacher = pair("cosine")
    expected = np.mean([cosine(s, t) for s, t in zip(student.numpy(), teacher.numpy(), strict=True)])
    assert float(cosine_loss(student, teacher)) == pytest.approx(expected, rel=1e-5)


def test_cosine_ignores_the_norm_and_spans_0_to_2():
    student, teacher = pair("cosine")
    torch.testing.assert_close(cosine_loss(5 * student, teacher / 3), cosine_loss(student, teacher))
    assert float(cosine_loss(student, -student)) == pytest.approx(2)


def test_attention_transfer_from_the_formula_on_maps_of_one_size():
    student, teacher = (x.numpy().astype(float) for x in pair("attention_transfer"))

    def attention(maps):
        flat = (maps**2).mean(1).reshape(len(maps), -1)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    expected = np.mean(np.sum((attention(student) - attention(teacher)) ** 2, axis=1))
    got = attention_transfer_loss(torch.tensor(student), torch.tensor(teacher))
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_attention_is_pooled_to_the_smaller_extent_of_each_axis():
    fine = torch.rand(3, 5, 4, 6)
    coarse = torch.rand(3, 7, 2, 9)
    energy = fine.square().mean(1).reshape(3, 2, 2, 6).mean(2)  # rows in pairs
    expected = energy.flatten(1) / energy.flatten(1).norm(dim=1, keepdim=True)
    torch.testing.assert_close(attention_map(fine, (2, 6)), expected)
    difference = (attention_map(fine, (2, 6)) - attention_map(coarse, (2, 6))).square().sum(1).mean()
    torch.testing.assert_close(attention_transfer_loss(fine, coarse), difference)


def test_maps_that_are_active_in_different_places_cost_2():
    left, right = torch.zeros(2, 3, 4), torch.zeros(2, 5, 4)
    left[:, :, 0], right[:, :, 3] = 1.0, 7.0
    assert float(attention_transfer_loss(left, right)) == pytest.approx(2)


def test_attention_transfer_ignores_channels_and_scale():
    student, teacher = torch.rand(3, 4, 9), torch.rand(3, 2, 5)
    expected = attention_transfer_loss(student, teacher)
    shuffled = 6 * student[:, [2, 0, 3, 1]]
    torch.testing.assert_close(attention_transfer_loss(shuffled, teacher), expected)


@pytest.mark.parametrize(("axes", "got"), [([0, 0], r"\[0, 0\]"), ([2, 1], r"\[2, 1\]")])
def test_attention_without_an_axis_is_refused_with_the_way_out(axes, got):
    with pytest.raises(InputError, match=f"distill.feature: attention_transfer .* got {got}; use mse"):
        require_axes("attention_transfer", axes)
    require_axes("similarity_preserving", axes)
    shapes = [(2, 3) + (4,) * count for count in axes]
    with pytest.raises(InputError, match=got):
        attention_transfer_loss(*(torch.rand(shape) for shape in shapes))


def test_similarity_preserving_from_the_formula():
    student, teacher = torch.randn(5, 3, 4, 2), torch.randn(5, 6)  # no common shape needed

    def rows(maps):
        flat = maps.numpy().astype(float).reshape(5, -1)
        inner = flat @ flat.T
        return inner / np.linalg.norm(inner, axis=1, keepdims=True)

    expected = np.mean(np.sum((rows(student) - rows(teacher)) ** 2, axis=1))
    assert float(similarity_preserving_loss(student, teacher)) == pytest.approx(expected, rel=1e-4)


def test_similarity_preserving_ignores_a_rotation_of_the_channels():
    student, teacher = torch.randn(6, 8), torch.randn(6, 5)
    rotation, _ = torch.linalg.qr(torch.randn(8, 8))
    expected = similarity_preserving_loss(student, teacher)
    torch.testing.assert_close(similarity_preserving_loss(student @ rotation, teacher), expected)


@every_loss
def test_zero_at_equality_and_positive_elsewhere(kind):
    student, teacher = pair(kind)
    assert float(LOSSES[kind](student, student.clone())) == pytest.approx(0, abs=1e-6)
    assert float(LOSSES[kind](student, teacher)) > 0.01


@every_loss
def test_the_teacher_gets_no_gradient_and_the_student_does(kind):
    student, teacher = (x.requires_grad_() for x in pair(kind))
    LOSSES[kind](student, teacher).backward()
    assert teacher.grad is None
    assert float(student.grad.abs().sum()) > 0


@every_loss
def test_a_batch_said_twice_costs_the_same(kind):
    student, teacher = pair(kind)
    twice = LOSSES[kind](torch.cat([student, student]), torch.cat([teacher, teacher]))
    torch.testing.assert_close(twice, LOSSES[kind](student, teacher))


@every_loss
def test_dead_features_give_a_finite_gradient(kind):
    student, teacher = pair(kind)
    dead = torch.zeros_like(student).requires_grad_()
    LOSSES[kind](dead, teacher).backward()
    assert bool(torch.isfinite(dead.grad).all())
