"""Losses against NumPy/SciPy written from the formulae, and their gradient paths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, rel_entr, softmax

from fsd_model.distillation.feature_losses import feature_loss
from fsd_model.distillation.hard_loss import a_softmax, margin_cosine, margin_lambda
from fsd_model.distillation.soft_losses import soft_loss


@given(st.floats(0.0, np.pi))
def test_margin_cosine_is_sphereface_psi(theta):
    k = min(int(4 * theta / np.pi), 3)
    expected = (-1) ** k * np.cos(4 * theta) - 2 * k
    got = float(margin_cosine(torch.tensor(np.cos(theta), dtype=torch.float64)))
    assert got == pytest.approx(expected, abs=1e-6)


def test_margin_cosine_falls_monotonically_from_1_to_minus_7():
    values = margin_cosine(torch.cos(torch.linspace(0, torch.pi, 1001, dtype=torch.float64)))
    assert float(values[0]) == pytest.approx(1)
    assert float(values[-1]) == pytest.approx(-7)
    assert bool((values.diff() <= 1e-9).all())


def test_margin_gradient_is_finite_where_the_arc_cosine_has_none():
    cosine = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], requires_grad=True)
    a_softmax(cosine, torch.tensor([2.0, 3.0]), torch.tensor([0, 1]), 5.0).backward()
    assert bool(torch.isfinite(cosine.grad).all())


def test_lambda_anneals_to_5_and_frozen_stays():
    assert margin_lambda(1, "annealed") == pytest.approx(1363.636, abs=1e-3)
    assert margin_lambda(2989, "annealed") > 5
    assert margin_lambda(2990, "annealed") == 5
    assert margin_lambda(100_000, "frozen") == margin_lambda(1, "annealed")


@pytest.mark.parametrize("lam", [5.0, 100.0, 1363.6])
def test_a_softmax_from_the_formula(lam):
    rng = np.random.default_rng(0)
    theta, norm, labels = rng.uniform(0, np.pi, (20, 2)), rng.uniform(0.5, 8, 20), rng.integers(0, 2, 20)
    losses = []
    for row in range(20):
        k = int(4 * theta[row, labels[row]] / np.pi)
        psi = (-1) ** k * np.cos(4 * theta[row, labels[row]]) - 2 * k
        logits = norm[row] * np.cos(theta[row])
        logits[labels[row]] += norm[row] * (psi - np.cos(theta[row, labels[row]])) / (1 + lam)
        losses.append(-log_softmax(logits)[labels[row]])
    cosine = torch.tensor(np.cos(theta))
    got = a_softmax(cosine, torch.tensor(norm), torch.tensor(labels), lam)
    assert float(got) == pytest.approx(np.mean(losses), abs=1e-9)


def test_margin_makes_the_loss_harder_and_vanishes_with_lambda():
    cosine, norm = torch.tensor([[0.3, 0.6], [0.7, -0.2]]), torch.tensor([4.0, 2.0])
    labels = torch.tensor([1, 0])
    plain = torch.nn.functional.cross_entropy(norm[:, None] * cosine, labels)
    assert float(a_softmax(cosine, norm, labels, 5.0)) > float(plain)
    torch.testing.assert_close(a_softmax(cosine, norm, labels, float("inf")), plain)


@pytest.mark.parametrize("temperature", [1.0, 3.0, 7.5])
def test_soft_loss_is_scipy_s_kl_times_t_squared(temperature):
    rng = np.random.default_rng(1)
    student, teacher = rng.normal(0, 3, (9, 2)), rng.normal(0, 3, (9, 2))
    p, q = softmax(teacher / temperature, axis=1), softmax(student / temperature, axis=1)
    expected = temperature**2 * rel_entr(p, q).sum(axis=1).mean()
    got = soft_loss(torch.tensor(student), torch.tensor(teacher), temperature)
    assert float(got) == pytest.approx(expected, abs=1e-10)


def test_soft_loss_of_identical_predictions_is_zero():
    logits = torch.randn(5, 2, dtype=torch.float64)
    assert float(soft_loss(logits, logits + 7.0, 3.0)) == pytest.approx(0, abs=1e-12)


def test_the_teacher_gets_no_gradient():
    student, teacher = (torch.randn(4, 2, requires_grad=True) for _ in range(2))
    soft_loss(student, teacher, 3.0).backward()
    assert teacher.grad is None
    assert float(student.grad.abs().sum()) > 0


def test_t_squared_keeps_the_gradient_size_when_logits_are_small():
    def gradient(temperature):
        student = torch.tensor([[0.01, -0.02]], dtype=torch.float64, requires_grad=True)
        soft_loss(student, torch.tensor([[0.03, 0.01]], dtype=torch.float64), temperature).backward()
        return float(student.grad[0, 0])

    assert gradient(8.0) == pytest.approx(gradient(2.0), rel=0.02)


def test_feature_loss_is_a_mean_and_leaves_the_target_alone():
    projected = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    deepest = torch.tensor([[0.0, 2.0], [3.0, 1.0]], requires_grad=True)
    loss = feature_loss(projected, deepest)
    loss.backward()
    assert float(loss) == pytest.approx((1 + 0 + 0 + 9) / 4)
    assert deepest.grad is None
    assert float(projected.grad[1, 1]) == pytest.approx(2 * 3 / 4)
