"""Deployed exits: computed and dropped modules, scores equal to the trained network's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from fsd_model.detector.calibration import Calibration
from fsd_model.detector.exit_networks import deploy_exits, planned, planned_weights
from fsd_model.detector.exit_plan import ExitPlan, early_scores, ensemble_scores, fit_calibrations
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig, feature_shape
from fsd_model.networks.attention_resnet import build_backbone
from fsd_model.networks.build import build_network, read_network
from fsd_model.networks.custom_network import TracedNetwork
from fsd_model.networks.cut_points import trace
from fsd_model.networks.exits import bonafide_score
from fsd_model.networks.multi_exit import MultiExitNetwork, deploy
from fsd_model.training.cost import exit_multiply_adds, multiply_adds
from tests.fsd_model.support.custom_networks import HERE, PlainCnn, RawResidual, Wav2vec
from tests.fsd_model.support.synthetic import config


def calibrations(*slopes: float) -> tuple[Calibration, ...]:
    return tuple(Calibration(slope=s, offset=0.1 * s - 0.2, bonafide=1, spoof=1) for s in slopes)


def trained(cuts: tuple[int, ...] = (1, 2, 3)) -> MultiExitNetwork:
    torch.manual_seed(2)
    network = MultiExitNetwork(build_backbone("ecanet", 9), cuts)
    network.train()(torch.randn(8, 45, 40))  # move the batch statistics off their start
    return network.eval()


def scores_of(network: MultiExitNetwork, x: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        return [bonafide_score(output.logits_BK) for output in network(x)]


def loaded(network: MultiExitNetwork, plan: ExitPlan, columns: list[int]) -> nn.Module:
    """Return a fresh network with the weights of a detector's file."""
    fresh = planned(build_backbone("ecanet", 9), plan).eval()
    weights = [network.classifiers[column].weight.detach() for column in columns]
    fresh.load_state_dict(planned_weights(fresh, deploy(network).state_dict(), weights))
    return fresh


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_deployed_exit_scores_as_the_trained_network_s(number):
    network, x = trained(), torch.randn(5, 45, 40)
    exit_ = loaded(network, ExitPlan(places=(number,)), [number - 1])
    torch.testing.assert_close(exit_(x), scores_of(network, x)[number - 1], rtol=0, atol=0)
    torch.testing.assert_close(
        deploy_exits(network, [number])(x)[:, 0], scores_of(network, x)[number - 1], rtol=0, atol=0
    )


def test_only_what_leads_to_the_exit_is_left():
    # by hand: 7x7 stem and norm 816; blocks 4,675, 14,531, 57,731, 230,147; two cosines of 16, 32, 64, 128
    expected = [816 + 4_675 + 32, 5_491 + 14_531 + 64, 20_022 + 57_731 + 128, 308_156]
    network = trained()
    for number, count in enumerate(expected, start=1):
        exit_ = planned(build_backbone("ecanet", 9), ExitPlan(places=(number,)))
        assert sum(p.numel() for p in exit_.parameters()) == count
        assert not any(name.startswith(f"backbone.blocks.{number}") for name in exit_.state_dict())
    mean = deploy_exits(network, [1, 2, 3, 4])
    assert sum(p.numel() for p in mean.parameters()) == 308_156 + 2 * (16 + 32 + 64)


@pytest.mark.parametrize("named", [{"depth": 9}, {"factory": f"{HERE}:plain_cnn"}])
def test_multiply_adds_grow_with_the_exit_and_are_those_of_the_networks(named):
    settings = config(cuts=(1, 2), network=named)
    counted = exit_multiply_adds(settings)
    assert list(counted.alone) == sorted(set(counted.alone))
    network = MultiExitNetwork(build_network(settings.network, settings.feature), (1, 2))
    several = [multiply_adds(deploy_exits(network, range(1, n + 1)), settings.feature) for n in (1, 2, 3)]
    assert list(counted.passing) == several


@pytest.mark.parametrize(
    ("make", "shape"), [(PlainCnn, (45, 48)), (RawResidual, (1, 2000)), (Wav2vec, (1, 2000))]
)
def test_an_exit_of_a_network_of_one_s_own_is_cut_off_where_it_stands(make, shape):
    torch.manual_seed(3)
    module = make()
    backbone = TracedNetwork(module, trace(module, *shape))
    network, x = MultiExitNetwork(backbone, (1, 2), None).eval(), torch.randn(2, *shape)
    expected = scores_of(network, x)
    for number in (1, 2):
        module = make()
        fresh = planned(TracedNetwork(module, backbone.trace), ExitPlan(places=(number,))).eval()
        weight = network.classifiers[number - 1].weight.detach()
        fresh.load_state_dict(planned_weights(fresh, deploy(network).state_dict(), [weight]))
        with torch.no_grad():
            torch.testing.assert_close(fresh(x), expected[number - 1], rtol=0, atol=0)
        used = backbone.places[number - 1].parameters
        assert sum(p.numel() for p in fresh.parameters()) == used + weight.numel()
    assert torch.equal(torch.stack(scores_of(network, x)), torch.stack(expected))  # the trained one is whole


def test_weights_that_a_pass_reads_without_need_stay():
    class Wasteful(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.a, self.b = (nn.Linear(4, 4) for _ in range(3))

        def forward(self, x):
            self.unused(x)
            return self.b(torch.relu(self.a(x))).mean(1)

    network = Wasteful()
    part = TracedNetwork(network, trace(network, 6, 4)).up_to(1)
    assert sum(p.numel() for p in part.parameters()) == 60
    assert part.maps(torch.zeros(2, 6, 4), ())[0].shape[0] == 2


def test_the_ensemble_is_the_mean_of_the_ratios_of_its_exits():
    network, x = trained(), torch.randn(5, 45, 40)
    plan = ExitPlan(places=(1, 3, 4), calibrations=calibrations(2.0, 0.5, 0.25))
    picked = [scores_of(network, x)[column].double() for column in (0, 2, 3)]
    ratios = [each.slope * score + each.offset for each, score in zip(plan.calibrations, picked, strict=True)]
    expected = (ratios[0] + ratios[1] + ratios[2]) / 3
    found = loaded(network, plan, [0, 2, 3])(x)
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(plan.scores(torch.stack(picked, 1).numpy()), found.detach(), rtol=1e-5)


def early(network: MultiExitNetwork, confidence: float) -> nn.Module:
    plan = ExitPlan(places=(1, 2, 3, 4), calibrations=calibrations(1.0, 1.0, 1.0, 1.0), confidence=0)
    found = loaded(network, plan, [0, 1, 2, 3])
    found.confidence = confidence
    return found


def test_early_exit_goes_from_the_shallowest_to_the_deepest():
    network, x = trained(), torch.randn(6, 45, 40)
    first, *_, last = (score - 0.1 for score in scores_of(network, x))  # slope 1, offset -0.1
    torch.testing.assert_close(early(network, 0.0)(x), first)
    torch.testing.assert_close(early(network, math.inf)(x), last)


def test_who_has_left_is_not_computed_further_and_a_batch_scores_as_its_utterances_do():
    network, x = trained(), torch.randn(12, 45, 40) * torch.linspace(0.2, 3, 12)[:, None, None]
    scores_NE = torch.stack(scores_of(network, x), 1).numpy()
    llr_NE = scores_NE.astype(np.float64) - 0.1
    confidence = float(np.median(np.abs(llr_NE[:, :3])))
    expected_N, taken_N = early_scores(llr_NE, confidence)
    assert len(set(taken_N.tolist())) > 1
    found = early(network, confidence)
    sizes = []
    for block in found.backbone.blocks:
        block.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    with torch.inference_mode():
        scores_N = found(x)
        left = [int((taken_N >= number).sum()) for number in range(4)]
        assert sizes == [count for count in left if count]
        torch.testing.assert_close(scores_N.double(), torch.from_numpy(expected_N), rtol=1e-5, atol=1e-5)
        singles = torch.cat([found(row[None]) for row in x])
    torch.testing.assert_close(scores_N, singles, rtol=1e-5, atol=1e-5)


def test_early_exit_of_a_network_of_one_s_own_ends_its_pass():
    own, feature = read_network(f"{HERE}:plain_cnn"), FeatureConfig()
    torch.manual_seed(4)
    plan = ExitPlan(places=(1, 2, 3), calibrations=calibrations(1.0, 1.0, 1.0), confidence=0.0)
    network = planned(build_network(own, feature), plan).eval()
    ran = []
    network.backbone.network.conv2.register_forward_hook(lambda *_: ran.append(1))
    x = torch.randn(3, *feature_shape(feature))
    with torch.inference_mode():
        network(x)
        assert ran == []
        network.confidence = math.inf
        deepest = network(x)
        assert len(ran) == 3
        expected = deploy_exits(MultiExitNetwork(network.backbone, (1, 2), None), [3])
        expected.classifiers[0] = network.classifiers[2]
        torch.testing.assert_close(deepest, expected(x)[:, 0] - 0.1)


@given(st.lists(st.lists(st.floats(-9, 9), min_size=3, max_size=3), min_size=1, max_size=9), st.floats(0, 10))
def test_an_utterance_leaves_at_the_first_exit_that_is_sure(rows, confidence):
    scores_N, taken_N = early_scores(np.array(rows), confidence)
    for row, score, taken in zip(rows, scores_N, taken_N, strict=True):
        sure = [place for place, ratio in enumerate(row) if abs(ratio) >= confidence]
        assert taken == (sure[0] if sure else 2)
        assert score == row[taken]


def test_exits_of_other_units_weigh_alike_in_the_mean():
    rng = np.random.default_rng(0)
    labels_N = np.repeat([0, 1], 200)
    scores_NE = rng.normal(0, 1, (400, 2)) + labels_N[:, None]
    mean_N = ensemble_scores(scores_NE, labels_N)
    np.testing.assert_allclose(ensemble_scores(scores_NE * [1, 50], labels_N), mean_N, atol=1e-4)
    np.testing.assert_array_equal(ensemble_scores(scores_NE[:, :1], labels_N), scores_NE[:, 0])
    assert [each.slope > 0 for each in fit_calibrations(-scores_NE, labels_N)] == [False, False]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"places": [2, 1]}, "increasing order"),
        ({"places": [0]}, "blocks in increasing order"),
        ({"places": [1, 2]}, "a calibration each"),
        ({"places": [1], "confidence": 1.0}, "several exits"),
        ({"places": [1], "confidence": math.inf}, "finite"),
        ({"placs": [1]}, "did you mean `places`"),
    ],
)
def test_a_plan_that_says_nothing_is_refused(given, words):
    with pytest.raises(ValidationError, match=words):
        ExitPlan.model_validate(given)


def test_a_place_outside_the_network_is_one_line():
    with pytest.raises(InputError, match=r"exits.places: must be blocks of the network, 1 to 4, got \(7,\)"):
        planned(build_backbone("ecanet", 9), ExitPlan(places=(7,)))
    assert ExitPlan().use == "deepest"
