"""Cuts, exits and deployment."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from fsd_model.errors import InputError
from fsd_model.networks.attention_resnet import Backbone, build_backbone
from fsd_model.networks.exits import AngularClassifier, MapShape, bonafide_score
from fsd_model.networks.multi_exit import MultiExitNetwork, check_cuts, deploy, legal_cuts, stage_cuts


def test_every_cut_between_two_blocks_is_legal():
    assert legal_cuts(8) == (1, 2, 3, 4, 5, 6, 7)
    assert stage_cuts((2, 4, 6, 8)) == (2, 4, 6)


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        ((0,), "0 is outside .* 4 blocks; legal cuts are 1 to 3"),
        ((4,), "4 is outside"),
        ((2, 1), "must increase"),
        ((2, 2), "must increase"),
    ],
)
def test_illegal_cuts_are_refused_with_the_rule(cuts, words):
    with pytest.raises(InputError, match=words):
        check_cuts(cuts, 4)


@pytest.mark.parametrize("cuts", [c for n in range(4) for c in combinations((1, 2, 3), n)])
def test_each_segment_ends_in_an_exit_on_its_own_map(cuts):
    torch.manual_seed(1)
    backbone = build_backbone("ecanet", 9)
    network = MultiExitNetwork(backbone, cuts).eval()
    x = torch.randn(3, 45, 40)
    outputs = network(x)
    assert len(outputs) == len(cuts) + 1
    maps = [backbone.stem(x[:, None])]
    for block in backbone.blocks:
        maps.append(block(maps[-1]))
    for output, end in zip(outputs, (*cuts, 4), strict=True):
        torch.testing.assert_close(output.feature_BC, maps[end].mean((2, 3)))
    assert [o.projected_BD is None for o in outputs] == [False] * len(cuts) + [True]
    assert all(o.projected_BD.shape == (3, 128) for o in outputs[:-1])


@pytest.mark.parametrize("depth", [9, 18, 34, 50])
def test_deployed_scores_equal_the_training_network_s(depth):
    torch.manual_seed(2)
    backbone = build_backbone("senet", depth)
    network = MultiExitNetwork(backbone, stage_cuts(backbone.stage_ends))
    network.train()(torch.randn(8, 45, 40))  # move the batch statistics off their start
    network.eval()
    x = torch.randn(4, 45, 40)
    deployed = deploy(network)
    expected = bonafide_score(network(x)[-1].logits_BK)
    torch.testing.assert_close(deployed(x), expected, rtol=0, atol=0)
    names = {name.split(".")[0] for name, _ in deployed.named_parameters()}
    assert names == {"backbone", "classifier"}


def test_angular_classifier_gives_true_cosines():
    layer = AngularClassifier(3)
    feature = torch.tensor([[3.0, 4.0, 0.0]])
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.5, 0.0]]))
    cosine, norm = layer(feature)
    torch.testing.assert_close(cosine, torch.tensor([[0.6, 0.8]]))
    torch.testing.assert_close(norm, torch.tensor([5.0]))


def test_classifier_starts_with_unit_columns():
    torch.testing.assert_close(AngularClassifier(64).weight.norm(dim=1), torch.ones(2))


def test_a_network_of_one_s_own_is_cut_like_the_others():
    stem = torch.nn.Conv2d(1, 4, 3)
    blocks = [torch.nn.Conv2d(4, 6, 3), torch.nn.Conv2d(6, 5, 3, stride=2), torch.nn.Conv2d(5, 9, 3)]
    shapes = [MapShape(channels, axes=2) for channels in (6, 5, 9)]
    network = MultiExitNetwork(Backbone(stem, blocks, shapes, stage_ends=[1, 2, 3]), (1, 2)).eval()
    x = torch.randn(2, 20, 30)
    outputs = network(x)
    assert [o.feature_BC.shape[1] for o in outputs] == [6, 5, 9]
    assert [o.projected_BD.shape for o in outputs[:-1]] == [(2, 9), (2, 9)]
    torch.testing.assert_close(deploy(network)(x), bonafide_score(outputs[-1].logits_BK), rtol=0, atol=0)
