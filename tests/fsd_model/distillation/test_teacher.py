"""Who teaches whom, and what the moving average is after each update."""

from __future__ import annotations

import pytest
import torch

from fsd_model.distillation.teacher import EmaTeacher, ensemble_logits, split_views, teach
from fsd_model.networks.attention_resnet import build_backbone
from fsd_model.networks.exits import bonafide_score
from fsd_model.networks.multi_exit import MultiExitNetwork

X = torch.randn(6, 45, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network():
    torch.manual_seed(5)
    return MultiExitNetwork(build_backbone("ecanet", 9), (1, 2, 3))


def step(network, shift):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += shift


def test_the_deepest_exit_teaches_the_others_and_never_itself(network):
    outputs = network(X)
    teaching = teach("deepest", outputs)
    assert torch.equal(teaching.logits_BK, outputs[-1].logits_BK)
    assert teaching.soft_learners == teaching.feature_learners == tuple(outputs[:-1])


def test_an_ensemble_teaches_every_exit_but_its_feature_is_the_deepest_s(network):
    outputs = network(X)
    teaching = teach("ensemble", outputs)
    scores = torch.stack([bonafide_score(o.logits_BK) for o in outputs])
    torch.testing.assert_close(bonafide_score(teaching.logits_BK), scores.mean(0))
    assert teaching.soft_learners == tuple(outputs)
    assert teaching.feature_learners == tuple(outputs[:-1])
    assert torch.equal(teaching.feature_BC, outputs[-1].feature_BC)


def test_an_ensemble_of_one_has_nothing_to_teach(network):
    teaching = teach("ensemble", network(X)[-1:])
    assert teaching.soft_learners == teaching.feature_learners == ()


@pytest.mark.parametrize("kind", ["deepest", "ensemble"])
def test_the_clean_view_teaches_every_exit_of_the_other(network, kind):
    outputs, clean = network(X + 1), network(X)
    teaching = teach(kind, outputs, clean)
    expected = clean[-1].logits_BK if kind == "deepest" else ensemble_logits(clean)
    torch.testing.assert_close(teaching.logits_BK, expected)
    assert torch.equal(teaching.feature_BC, clean[-1].feature_BC)
    assert teaching.soft_learners == teaching.feature_learners == tuple(outputs)


@pytest.mark.parametrize("kind", ["deepest", "ensemble"])
def test_what_is_taught_is_detached(network, kind):
    teaching = teach(kind, network(X))
    assert not any(t.requires_grad for t in (teaching.logits_BK, teaching.feature_BC, teaching.map_BCx))


def test_a_moving_average_without_its_output_is_refused(network):
    with pytest.raises(ValueError, match="'ema' alone"):
        teach("ema", network(X))


def test_views_are_the_halves_of_the_batch(network):
    outputs = network(X)
    first, second = split_views(outputs)
    assert [o.projected_BD is None for o in second] == [False, False, False, True]
    for whole, a, b in zip(outputs, first, second, strict=True):
        torch.testing.assert_close(torch.cat([a.logits_BK, b.logits_BK]), whole.logits_BK)
        torch.testing.assert_close(torch.cat([a.map_BCx, b.map_BCx]), whole.map_BCx)


@pytest.mark.parametrize("decay", [0.3, 0.6, 0.99])
def test_the_moving_average_in_closed_form(network, decay):
    name = "backbone.stem.0.weight"
    teacher = EmaTeacher(network, decay)
    start = network.state_dict()[name].clone()
    seen = []
    for shift in (0.5, -0.2, 1.0):
        step(network, shift)
        teacher.update(network)
        seen.append(network.state_dict()[name].clone())
        got = teacher.average.module.state_dict()[name]
        if len(seen) == 1:
            torch.testing.assert_close(got, seen[0])  # the initial weights leave no trace
        if len(seen) == 2:
            d = min(decay, 1 / 2)
            expected = d * seen[0] + (1 - d) * seen[1]
            torch.testing.assert_close(got, expected)
    d = min(decay, 2 / 3)
    torch.testing.assert_close(got, d * expected + (1 - d) * seen[2])
    assert not torch.equal(start, seen[0])


def test_the_moving_average_gets_no_gradient_and_draws_no_random_number(network):
    before = torch.get_rng_state()
    teacher = EmaTeacher(network, 0.9)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(parameter.requires_grad for parameter in teacher.average.parameters())
    assert not teacher.output(X).logits_BK.requires_grad
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_moving_average_normalises_by_the_batch_it_sees(network):
    teacher = EmaTeacher(network, 0.0)
    network.eval()  # as validation leaves it
    teacher.update(network)
    expected = network.train()(X)[-1].logits_BK
    torch.testing.assert_close(teacher.output(X).logits_BK, expected)
