"""Adapters: the right width from any map, trained by the optimiser, gone after deployment."""

from __future__ import annotations

import pytest
import torch

from fsd_model.errors import InputError
from fsd_model.networks.adapters import ADAPTERS, PoolAdapter, adapt
from fsd_model.networks.attention_resnet import Backbone, build_backbone
from fsd_model.networks.exits import MapShape, global_average
from fsd_model.networks.multi_exit import MultiExitNetwork, deploy
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, training_data


@pytest.mark.parametrize("kind", ["linear", "conv", "pool"])
@pytest.mark.parametrize("shape", [(4, 6, 1, 1), (4, 6, 5, 9), (4, 24, 3), (4, 24, 2, 1)])
def test_every_adapter_reaches_the_deepest_width(kind, shape):
    adapter = ADAPTERS[kind](shape[1], len(shape) - 2, 16)
    map_BCx = torch.randn(shape)
    assert adapt(adapter, map_BCx, global_average(map_BCx)).shape == (4, 16)


@pytest.mark.parametrize("kind", ["linear", "pool"])
def test_a_map_without_axes_is_adapted_too(kind):
    feature_BC = torch.randn(4, 6)
    assert adapt(ADAPTERS[kind](6, 0, 16), feature_BC, global_average(feature_BC)).shape == (4, 16)


def test_conv_without_an_axis_is_refused_with_the_way_out():
    with pytest.raises(InputError, match=r"distill.adapter: conv .* got 0; use linear or pool"):
        ADAPTERS["conv"](6, 0, 16)


def test_pooling_averages_neighbours_and_repeats_them():
    feature = torch.tensor([[1.0, 3.0, 10.0, 20.0]])
    torch.testing.assert_close(PoolAdapter(4, 2)(feature), torch.tensor([[2.0, 15.0]]))
    expected = feature.repeat_interleave(2, dim=1)
    torch.testing.assert_close(PoolAdapter(4, 8)(feature), expected)
    torch.testing.assert_close(PoolAdapter(4, 4)(feature), feature)


def test_pooling_has_nothing_to_train_or_to_save():
    adapter = PoolAdapter(3, 7)
    assert list(adapter.parameters()) == []
    assert adapter.state_dict() == {}


def test_the_bottleneck_reads_the_map_where_the_mean_is_blind():
    torch.manual_seed(0)
    adapter = ADAPTERS["conv"](3, 2, 64).eval()
    even, peak = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    peak[..., 0, 0] = 16.0
    torch.testing.assert_close(global_average(even), global_average(peak))
    assert not torch.allclose(adapter(even), adapter(peak))


@pytest.mark.parametrize(("kind", "parts"), [("linear", 2), ("conv", 8), ("pool", 0)])
def test_the_optimiser_trains_every_adapter_parameter(kind, parts):
    trainer = Trainer(config(epochs=1, **{"distill.adapter": kind}), training_data())
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters() if "adapter" in n}
    assert len(before) == 3 * parts
    list(trainer.epochs())
    after = dict(trainer.network.named_parameters())
    assert [n for n, p in before.items() if torch.equal(p, after[n])] == []
    assert not any("adapter" in name for name in trainer.best_weights)


@pytest.mark.parametrize("feature", ["attention_transfer", "similarity_preserving", "none"])
def test_a_loss_that_needs_no_adapter_builds_none(feature):
    trainer = Trainer(config(**{"distill.feature": feature}), training_data())
    assert [each.adapter for each in trainer.network.exits] == [None] * 4


def test_the_default_draws_the_same_numbers_as_a_linear_layer_would():
    torch.manual_seed(1)
    named = MultiExitNetwork(build_backbone("ecanet", 9), (1,), "linear").state_dict()
    after_named = torch.rand(1)
    torch.manual_seed(1)
    default = MultiExitNetwork(build_backbone("ecanet", 9), (1,)).state_dict()
    assert torch.equal(after_named, torch.rand(1))
    assert all(torch.equal(named[key], default[key]) for key in default)


def test_a_network_without_spatial_axes_is_split_and_deployed():
    stem = torch.nn.Flatten()
    shapes = [MapShape(5, 0), MapShape(7, 0)]
    network = MultiExitNetwork(
        Backbone(stem, [torch.nn.Linear(12, 5), torch.nn.Linear(5, 7)], shapes, [1, 2]), (1,)
    )
    outputs = network(torch.randn(3, 4, 3))
    assert outputs[0].projected_BD.shape == (3, 7)
    torch.testing.assert_close(outputs[1].feature_BC, outputs[1].map_BCx)
    assert deploy(network)(torch.randn(3, 4, 3)).shape == (3,)
