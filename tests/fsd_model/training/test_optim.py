"""The schedule's closed form and the optimiser's settings."""

from __future__ import annotations

import pytest
import torch

from fsd_model.training.optim import OptimConfig, build_optimiser, learning_rate, set_learning_rate


def test_noam_peaks_at_the_warm_up():
    config = OptimConfig()
    rates = [learning_rate(config, step) for step in range(1, 13_000)]
    assert max(rates) == rates[999] == pytest.approx(3.953e-3, rel=1e-3)
    assert rates[12_703] == pytest.approx(1.109e-3, rel=1e-3)
    assert rates[499] == pytest.approx(rates[999] / 2)


def test_constant_rate():
    config = OptimConfig(schedule="constant", learning_rate=1e-4)
    assert {learning_rate(config, s) for s in (1, 10, 10_000)} == {1e-4}


def test_optimiser_settings_and_rate():
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = build_optimiser(OptimConfig(), [weight])
    group = optimiser.param_groups[0]
    assert (group["betas"], group["eps"], group["weight_decay"], group["amsgrad"]) == (
        (0.9, 0.98),
        1e-9,
        1e-4,
        True,
    )
    set_learning_rate(optimiser, 0.25)
    weight.grad = torch.ones(1)
    optimiser.step()
    assert float(weight.detach()) == pytest.approx(
        0.75, abs=1e-3
    )  # Adam's first step has the size of the rate


def test_all_parameters_are_updated_at_once_as_they_would_be_one_by_one():
    torch.manual_seed(1)
    values, slopes = torch.randn(2, 5), torch.randn(30, 2, 5)
    results = []
    for fused in (None, False):
        weights = [torch.nn.Parameter(row.clone()) for row in values]
        optimiser = build_optimiser(OptimConfig(schedule="constant", learning_rate=0.01), weights)
        assert optimiser.param_groups[0]["fused"]
        if fused is False:
            optimiser.param_groups[0].update(fused=False)
        for rows in slopes:
            for weight, slope in zip(weights, rows, strict=True):
                weight.grad = slope.clone()
            optimiser.step()
        results.append(torch.stack([weight.detach() for weight in weights]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-6)
    assert float((results[0] - values).abs().max()) > 0.01
