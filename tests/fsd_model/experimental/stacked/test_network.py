"""K networks as one: every member computes, learns and keeps what it would alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fsd_model.errors import InputError
from fsd_model.experimental.stacked.adam import StackedAdam
from fsd_model.experimental.stacked.network import StackedNetwork
from fsd_model.networks.attention_resnet import NetworkConfig, build_backbone
from fsd_model.networks.exits import MapShape
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.training.optim import OptimConfig, build_optimiser, set_learning_rate

FORMS = {
    "eca, linear": ({"family": "ecanet", "depth": 9}, "linear"),
    "se, conv": ({"family": "senet", "depth": 9}, "conv"),
    "bottlenecks, pool": ({"family": "ecanet", "depth": 50, "eca_kernel": "adaptive"}, "pool"),
    "3x3, none": ({"family": "senet", "depth": 9, "stem": "3x3"}, None),
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def networks(form: str = "eca, linear", count: int = 3) -> list[MultiExitNetwork]:
    """Members whose weights and statistics all differ."""
    settings, adapter = FORMS[form]
    config = NetworkConfig(**settings)
    torch.manual_seed(1)
    made = [
        MultiExitNetwork(build_backbone(config.family, config.depth, config), (1, 3), adapter)
        for _ in range(count)
    ]
    for network in made:
        network.to(memory_format=torch.channels_last)
        for value in network.state_dict().values():
            value.add_(3) if value.dtype == torch.int64 else value.add_(0.02 * torch.rand_like(value))
    return made


def batch(count: int = 3, utterances: int = 4) -> torch.Tensor:
    return torch.randn(utterances, count, 45, 40, generator=torch.Generator().manual_seed(2))


def outputs_of(output, member):
    given = (output.cosine_BK, output.norm_B, output.feature_BC, output.map_BCx, output.projected_BD)
    return [each if member is None else each[member] for each in given if each is not None]


@pytest.mark.parametrize(("form", "shared"), [*((form, False) for form in FORMS), ("se, conv", True)])
def test_every_member_says_what_it_says_alone(form, shared):
    members = networks(form)
    stack = StackedNetwork(members)
    features_BKFT = batch(1 if shared else 3)
    together = stack(features_BKFT)
    for number, member in enumerate(members):
        alone = member(features_BKFT[:, 0 if shared else number])
        for ours, theirs in zip(together, alone, strict=True):
            for a, b in zip(outputs_of(ours, number), outputs_of(theirs, None), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_what_goes_in_comes_out_bit_for_bit(form):
    members = networks(form)
    before = [{n: v.clone() for n, v in each.state_dict().items()} for each in members]
    stack = StackedNetwork(members)
    for member in members:
        for value in member.state_dict().values():
            value.zero_()
    stack.give_back()
    for member, expected in zip(members, before, strict=True):
        after = member.state_dict()
        assert after.keys() == expected.keys()
        assert all(torch.equal(after[name], expected[name]) for name in after)
        assert all(after[name].stride() == expected[name].stride() for name in after)


def test_statistics_and_counters_of_batch_norm_move_as_alone():
    members, twins = networks(), networks()
    stack = StackedNetwork(members)
    features_BKFT = batch()
    stack(features_BKFT)
    stack.give_back()
    for number, (member, twin) in enumerate(zip(members, twins, strict=True)):
        twin(features_BKFT[:, number])
        for name, value in twin.state_dict().items():
            torch.testing.assert_close(member.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_a_member_that_is_not_a_number_is_so_alone():
    members = networks()
    features_BKFT = batch()
    healthy = StackedNetwork(members)(features_BKFT)
    features_BKFT[:, 1] = torch.nan
    stack = StackedNetwork(members)
    outputs = stack(features_BKFT)
    torch.stack([output.norm_B.sum() for output in outputs]).sum().backward()
    for ours, before in zip(outputs, healthy, strict=True):
        assert ours.norm_B[1].isnan().all()
        assert torch.equal(ours.norm_B[[0, 2]], before.norm_B[[0, 2]])
    stem = stack.backbone.stem[0].weight.grad
    assert torch.equal(stem.isnan().flatten(1).any(1), torch.arange(48).div(16, rounding_mode="floor") == 1)


def test_a_network_of_ones_own_and_unlike_ones_are_refused():
    class Own(nn.Module):
        shapes, one_by_one = (MapShape(4, 0),), False

    with pytest.raises(InputError, match="a custom one cannot be stacked"):
        StackedNetwork([MultiExitNetwork(Own(), ())])
    with pytest.raises(InputError, match="must be the same in a stack"):
        StackedNetwork([networks("eca, linear")[0], networks("se, conv")[0]])
    with pytest.raises(InputError, match="must be the same in a stack"):
        StackedNetwork([MultiExitNetwork(build_backbone("senet", 9), cuts) for cuts in ((1,), (2,))])


class Layer(nn.Module):
    """A parameter as of a convolution, one as of a bias, and one that no loss reaches."""

    def __init__(self, seed):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(2, 3, generator=draw))
        self.bias = nn.Parameter(torch.randn(2, generator=draw))
        self.idle = nn.Parameter(torch.randn(2, generator=draw))


def stacked_layers(layers):
    shape = {"weight": lambda each: torch.cat(each), "bias": torch.stack, "idle": torch.cat}
    return [
        nn.Parameter(join([getattr(layer, name).detach() for layer in layers]))
        for name, join in shape.items()
    ]


def test_the_optimiser_is_adam_of_each_member_and_hands_its_state_over():
    decays, rates = (0.0, 0.3), (1e-2, 3e-2)
    twins, layers = ([Layer(seed) for seed in (1, 2)] for _ in range(2))
    alone, own = (
        [
            build_optimiser(OptimConfig(weight_decay=d), each.parameters())
            for d, each in zip(decays, nets, strict=True)
        ]
        for nets in (twins, layers)
    )
    draw = torch.Generator().manual_seed(3)
    given = torch.randn(2, 3, generator=draw), torch.randn(2, generator=draw), torch.zeros(2)
    for layer, optimiser in ((twins[0], alone[0]), (layers[0], own[0])):  # one update ahead of the other
        for parameter, gradient in zip(layer.parameters(), given, strict=True):
            parameter.grad = gradient.clone()
        optimiser.step()
    parameters = stacked_layers(layers)
    for _ in range(2):  # the second stack goes on from what the first handed over
        stack = StackedAdam(parameters, own)
        for step in range(3):
            gradients = [(torch.randn(2, 3, generator=draw), torch.randn(2, generator=draw)) for _ in twins]
            for twin, optimiser, rate, given in zip(twins, alone, rates, gradients, strict=True):
                twin.weight.grad, twin.bias.grad = (each.clone() for each in given)
                twin.idle.grad = torch.zeros(2)  # of an exit that no loss asks for
                set_learning_rate(optimiser, rate / (step + 1))
                optimiser.step()
            parameters[0].grad = torch.cat([given[0] for given in gradients])
            parameters[1].grad = torch.stack([given[1] for given in gradients])
            stack.step([rate / (step + 1) for rate in rates])
        stack.give_back()
    for number, (twin, optimiser) in enumerate(zip(twins, alone, strict=True)):
        torch.testing.assert_close(parameters[0].detach()[2 * number : 2 * number + 2], twin.weight.detach())
        torch.testing.assert_close(parameters[1].detach()[number], twin.bias.detach())
        torch.testing.assert_close(parameters[2].detach()[2 * number : 2 * number + 2], twin.idle.detach())
        ours, theirs = (each.state_dict()["state"] for each in (own[number], optimiser))
        assert ours.keys() == theirs.keys() == {0, 1, 2}
        for key in ours:
            assert ours[key].keys() == theirs[key].keys()
            for name, value in theirs[key].items():
                torch.testing.assert_close(ours[key][name], value)
