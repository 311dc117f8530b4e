"""Running sizes: the closed form, and that a weight means the same when a term has other units."""

from __future__ import annotations

import pytest
import torch

from fsd_model.distillation.loss_balance import ScaleBalance

TERMS = [(0.7, 0.02, 5.0), (0.5, 0.04, 7.0), (0.6, 0.01, 2.0)]


def run(balance, terms):
    return [tuple(map(float, balance.factors(*map(torch.tensor, each)))) for each in terms]


def test_the_first_update_weighs_each_term_like_the_hard_loss():
    soft, feature = run(ScaleBalance(), TERMS)[0]
    assert soft * 0.02 == pytest.approx(0.7)
    assert feature * 5.0 == pytest.approx(0.7)


def test_the_factor_is_the_ratio_of_bias_corrected_means():
    def mean(values):
        total = sum(0.01 * 0.99 ** (len(values) - n) * v for n, v in enumerate(values, 1))
        return total / (1 - 0.99 ** len(values))

    hard, soft, feature = zip(*TERMS, strict=True)
    expected = (mean(hard) / mean(soft), mean(hard) / mean(feature))
    assert run(ScaleBalance(), TERMS)[-1] == pytest.approx(expected, rel=1e-5)


def test_a_term_in_units_twice_as_large_contributes_the_same():
    doubled = [(hard, soft, 2 * feature) for hard, soft, feature in TERMS]
    one, two = run(ScaleBalance(), TERMS), run(ScaleBalance(), doubled)
    for (_, a), (_, b), (_, _, feature) in zip(one, two, TERMS, strict=True):
        assert b * 2 * feature == pytest.approx(a * feature)


def test_a_term_of_0_or_of_rounding_noise_is_not_blown_up():
    assert run(ScaleBalance(), [(0.7, 0.0, 1e-9)])[0] == pytest.approx((1e4, 1e4))
    assert all(factor == 0 for factor in run(ScaleBalance(), [(0.0, 0.0, 1.0)])[0])


def test_no_batch_outweighs_100_running_hard_losses():
    balance = ScaleBalance()
    soft = run(balance, [(0.5, 1e-3, 1.0)] * 500 + [(0.5, 1e6, 1.0)])[-1][0]
    assert soft * 1e6 <= 100 * 0.5 * (1 + 1e-5)


def test_factors_carry_no_gradient():
    hard, soft, feature = (torch.tensor(v, requires_grad=True) for v in TERMS[0])
    assert not any(factor.requires_grad for factor in ScaleBalance().factors(hard, soft, feature))


def test_a_loaded_balance_goes_on_where_it_was():
    whole, part, resumed = ScaleBalance(), ScaleBalance(), ScaleBalance()
    expected = run(whole, TERMS)
    run(part, TERMS[:2])
    resumed.load_state_dict(part.state_dict())
    assert run(resumed, TERMS[2:]) == expected[2:]
