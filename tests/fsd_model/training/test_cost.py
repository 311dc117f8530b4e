"""What configurations cost by counting, and the figures that every report holds."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fsd_model import trial
from fsd_model.networks.cut_table import cut_table
from fsd_model.networks.multi_exit import deploy
from fsd_model.training.cost import deployed_multiply_adds, epoch_cost
from fsd_model.training.resource_metrics import RESOURCE_METRICS, latency_ms, peak_bytes
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.custom_networks import HERE
from tests.fsd_model.support.synthetic import config, training_data


def cost(**changes: Any) -> float:
    return epoch_cost(config(**changes))


def test_it_orders_configurations_by_what_they_compute() -> None:
    depths = [cost(**{"network.depth": depth, "cuts": (1,)}) for depth in (9, 18, 34)]
    assert depths == sorted(depths)
    exits = [cost(cuts=cuts) for cuts in ((), (1,), (1, 2), (1, 2, 3))]
    assert exits == sorted(set(exits))
    base = cost()
    for dearer in (
        {"distill.teacher": "ema"},
        {"augment.two_view": True},
        {"augment.rawboost.probability": 0.5},
        {"network.stem": "3x3"},
        {"distill.adapter": "conv"},
        {"batch_size": 4},
    ):
        assert cost(**dearer) > base, dearer
    assert cost(**{"distill.soft_weight": 0.9, "seed": 8, "epochs": 40}) == base


def test_it_is_cheap_and_draws_no_random_number() -> None:
    params = {"data": {"root": "nowhere"}}
    first = trial.cost(params)
    torch.manual_seed(1)
    began, draws = time.perf_counter(), torch.get_rng_state()
    assert trial.cost({**params, "seed": 2}) == first
    assert time.perf_counter() - began < 0.1
    assert trial.cost({**params, "network": {"depth": 9}}) < first
    assert torch.equal(torch.get_rng_state(), draws)


def test_the_deployed_network_s_multiply_adds_are_the_table_s_and_those_of_its_classifier() -> None:
    for network in ({"depth": 9}, {"factory": f"{HERE}:plain_cnn"}, {"factory": f"{HERE}:raw_residual"}):
        settings = config(network=network)
        output = cut_table(settings.network, settings.feature)[-1]
        assert deployed_multiply_adds(settings) == output.macs + 2 * output.shape[0]


def test_cuts_and_adapters_cost_nothing_once_deployed() -> None:
    assert deployed_multiply_adds(config(cuts=())) == deployed_multiply_adds(config(cuts=(1, 2, 3)))


def test_every_report_holds_the_figures_and_measures_the_latency_once() -> None:
    trainer = Trainer(config(epochs=3), training_data())
    reports = [{name: metrics[name] for name in RESOURCE_METRICS} for metrics in trainer.epochs()]
    deployed = deploy(trainer.network)
    assert reports[0]["deployed/parameters"] == sum(p.numel() for p in deployed.parameters()) == 308_156
    assert len({each["deployed/latency_ms"] for each in reports}) == 1
    peaks = [each["memory/peak_bytes"] for each in reports]
    assert peaks == sorted(peaks)
    assert 50e6 < peaks[0] < 1e12


def test_latency_is_that_of_one_utterance_in_milliseconds() -> None:
    class Sleeper(torch.nn.Module):
        def forward(self, features_BFT: torch.Tensor) -> torch.Tensor:
            assert features_BFT.shape == (1, 45, 48)
            time.sleep(0.02)
            return features_BFT

    features_FT = torch.from_numpy(np.zeros((45, 48), dtype=np.float32))
    assert 20 <= latency_ms(Sleeper(), features_FT, torch.device("cpu")) < 200


@pytest.mark.skipif(sys.platform != "linux", reason="the reference is Linux's")
def test_peak_memory_is_the_kernel_s_high_water_mark() -> None:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (kernel_kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert peak_bytes(torch.device("cpu")) == pytest.approx(1024 * int(kernel_kib), rel=0.01)


@pytest.mark.parametrize("name", ["dev", "unseen-attacks"])
def test_they_are_announced_for_either_objective(name: str) -> None:
    groups = {"groups": {"a": ["A01"], "b": ["A02"]}} if name != "dev" else {}
    told = trial.describe({"data": {"root": "x"}, "objective": {"name": name, **groups}})
    assert set(RESOURCE_METRICS) <= set(told["metrics"])
