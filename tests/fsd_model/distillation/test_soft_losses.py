"""Soft losses against SciPy, and what each must leave unchanged."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.special import expit, rel_entr, softmax

from fsd_model.distillation.soft_losses import SOFT_LOSSES, SoftKind, js_loss, margin_kl_loss

LOGITS = arrays(np.float64, (6, 2), elements=st.floats(-30, 30, allow_subnormal=False))
every_loss = pytest.mark.parametrize("loss", SOFT_LOSSES.values(), ids=SOFT_LOSSES.keys())


@pytest.fixture
def logits():
    rng = np.random.default_rng(1)
    return rng.normal(0, 3, (9, 2)), rng.normal(0, 3, (9, 2))


def test_every_kind_has_its_function():
    assert {*SOFT_LOSSES, "none"} == set(get_args(SoftKind))


@pytest.mark.parametrize("temperature", [1.0, 3.0, 7.5])
def test_js_is_scipy_s_squared_distance_times_t_squared(logits, temperature):
    student, teacher = logits
    p, q = softmax(teacher / temperature, axis=1), softmax(student / temperature, axis=1)
    expected = temperature**2 * np.mean(jensenshannon(p, q, axis=1) ** 2)
    got = js_loss(torch.tensor(student), torch.tensor(teacher), temperature)
    assert float(got) == pytest.approx(expected, rel=1e-10)


def test_js_of_two_bernoullis_by_hand():
    student = torch.tensor([[0.0, np.log(3.0)]], dtype=torch.float64)  # 1/4, 3/4
    teacher = torch.tensor([[np.log(3.0), 0.0]], dtype=torch.float64)  # 3/4, 1/4
    expected = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    assert float(js_loss(student, teacher, 1.0)) == pytest.approx(expected, abs=1e-12)


def test_js_is_bounded_where_kl_is_not():
    student, teacher = torch.tensor([[90.0, -90.0]]), torch.tensor([[-90.0, 90.0]])
    assert float(js_loss(student, teacher, 2.0)) == pytest.approx(4 * np.log(2), rel=1e-6)
    assert float(SOFT_LOSSES["kl"](student, teacher, 2.0)) > 100


def test_js_is_a_quarter_of_kl_near_agreement():
    student = torch.tensor([[0.5, -0.2], [1.0, 0.3]], dtype=torch.float64)
    near = student + torch.tensor([[1e-3, 0.0], [0.0, 2e-3]], dtype=torch.float64)
    ratio = float(js_loss(student, near, 1.0) / SOFT_LOSSES["kl"](student, near, 1.0))
    assert ratio == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_margin_kl_is_the_bernoulli_kl_of_z_scores(logits, temperature):
    def probability(side):
        margin = side[:, 1] - side[:, 0]
        return expit((margin - margin.mean()) / margin.std() / temperature)

    student, teacher = logits
    p, q = probability(teacher), probability(student)
    expected = temperature**2 * np.mean(rel_entr(p, q) + rel_entr(1 - p, 1 - q))
    got = margin_kl_loss(torch.tensor(student), torch.tensor(teacher), temperature)
    assert float(got) == pytest.approx(expected, rel=1e-10)


def test_margin_kl_sees_spacing_that_standardising_each_utterance_would_erase():
    student = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, -3.0]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[0.0, 9.0], [0.0, 1.0], [0.0, -2.0]], dtype=torch.float64)
    each = [(s - s.mean(1, keepdim=True)) / s.std(1, keepdim=True) for s in (student, teacher)]
    torch.testing.assert_close(*each)  # two classes: nothing left but the arg max
    loss = margin_kl_loss(student, teacher, 1.0)
    loss.backward()
    assert float(loss.detach()) > 0.05
    assert float(student.grad.abs().max()) > 0.01


def test_margin_kl_ignores_shift_and_scale_of_either_side(logits):
    student, teacher = map(torch.tensor, logits)
    shift = torch.tensor([0.0, 5.0])
    expected = margin_kl_loss(student, teacher, 1.5)
    torch.testing.assert_close(margin_kl_loss(4 * student + shift, teacher, 1.5), expected)
    torch.testing.assert_close(margin_kl_loss(student, teacher / 7 - shift, 1.5), expected)


def test_equal_margins_give_a_finite_gradient():
    student = torch.ones(4, 2, requires_grad=True)
    margin_kl_loss(student, torch.randn(4, 2), 1.0).backward()
    assert bool(torch.isfinite(student.grad).all())


@every_loss
@given(student=LOGITS, teacher=LOGITS, temperature=st.floats(0.5, 20))
def test_never_negative(loss, student, teacher, temperature):
    assert float(loss(torch.tensor(student), torch.tensor(teacher), temperature)) >= -1e-9


@every_loss
@given(logits=LOGITS, temperature=st.floats(0.5, 20))
def test_identical_heads_cost_nothing(loss, logits, temperature):
    same = torch.tensor(logits)
    assert float(loss(same, same.clone(), temperature)) == pytest.approx(0, abs=1e-9)


@every_loss
def test_the_teacher_gets_no_gradient_and_the_student_does(loss):
    student, teacher = (torch.randn(5, 2, requires_grad=True) for _ in range(2))
    loss(student, teacher, 3.0).backward()
    assert teacher.grad is None
    assert float(student.grad.abs().sum()) > 0


@every_loss
def test_t_squared_keeps_the_gradient_s_size(loss, logits):
    def gradient(temperature):
        student = torch.tensor(logits[0], requires_grad=True)
        loss(student, torch.tensor(logits[1]), temperature).backward()
        return float(student.grad.norm())

    assert gradient(80.0) == pytest.approx(gradient(40.0), rel=0.02)


@every_loss
def test_a_batch_said_twice_costs_the_same(loss, logits):
    student, teacher = map(torch.tensor, logits)
    twice = loss(student.repeat(2, 1), teacher.repeat(2, 1), 2.0)
    torch.testing.assert_close(twice, loss(student, teacher, 2.0))
