"""Parameter counts against the published architecture's arithmetic, and the ordered list of blocks."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from fsd_model.networks.attention_resnet import NetworkConfig, build_backbone, eca_kernel_size, stage_ends
from fsd_model.networks.exits import MapShape
from fsd_model.networks.multi_exit import MultiExitNetwork, deploy, stage_cuts

COUNTS = {
    ("senet", 9, 2): 310_864,
    ("senet", 18, 2): 706_224,
    ("senet", 34, 2): 1_343_760,
    ("senet", 50, 2): 1_092_592,
    ("senet", 50, 4): 1_637_616,
    ("ecanet", 9, 2): 308_156,
    ("ecanet", 18, 2): 700_808,
    ("ecanet", 34, 2): 1_333_984,
    ("ecanet", 50, 2): 1_053_344,
    ("ecanet", 50, 4): 1_480_480,
}


@pytest.mark.parametrize(("family", "depth", "expansion"), COUNTS)
def test_deployed_parameter_count_is_exact(family, depth, expansion):
    backbone = build_backbone(family, depth, NetworkConfig(expansion=expansion))
    network = deploy(MultiExitNetwork(backbone, ()))
    assert sum(p.numel() for p in network.parameters()) == COUNTS[family, depth, expansion]


@pytest.mark.parametrize(
    ("depth", "expansion", "heads", "adapters"),
    [(18, 2, 224, 14_720), (50, 2, 448, 58_112), (50, 4, 896, 230_912)],
)
def test_training_extras_are_exact(depth, expansion, heads, adapters):
    backbone = build_backbone("ecanet", depth, NetworkConfig(expansion=expansion))
    exits = MultiExitNetwork(backbone, stage_cuts(backbone.stage_ends)).exits[:-1]
    assert sum(e.classifier.weight.numel() for e in exits) == heads
    assert sum(p.numel() for e in exits for p in e.adapter.parameters()) == adapters


def test_adaptive_eca_kernels():
    assert [eca_kernel_size(c) for c in (16, 32, 64, 128)] == [3, 3, 3, 5]


@pytest.mark.parametrize("depth", [9, 18, 34, 50])
def test_blocks_are_ordered_and_chain(depth):
    backbone = build_backbone("senet", depth).eval()
    assert len(backbone.blocks) == len(backbone.shapes) == stage_ends(depth)[-1]
    x = backbone.stem(torch.zeros(1, 1, 45, 64))
    for block, shape in zip(backbone.blocks, backbone.shapes, strict=True):
        x = block(x)
        assert shape == MapShape(x.shape[1], axes=x.ndim - 2)


def test_the_stem_halves_twice_and_the_wide_one_keeps_resolution():
    x = torch.zeros(1, 1, 45, 600)
    assert build_backbone("ecanet", 9).stem(x).shape[2:] == (12, 150)
    assert build_backbone("ecanet", 9, NetworkConfig(stem="3x3")).stem(x).shape[2:] == (45, 600)


def test_stride_choice_changes_the_last_map():
    def last(strides):
        backbone = build_backbone("ecanet", 9, NetworkConfig(strides=strides)).eval()
        x = backbone.stem(torch.zeros(1, 1, 45, 600))
        for block in backbone.blocks:
            x = block(x)
        return tuple(x.shape[2:])

    assert last("1-2-2-2") == (2, 19)
    assert last("1-2-1-2") == (3, 38)


def test_kaiming_fan_out_of_the_convolutions():
    torch.manual_seed(0)
    weight = build_backbone("ecanet", 18).blocks[7].body[3].weight
    assert float(weight.detach().std()) == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)


def test_another_name_is_refused():
    with pytest.raises(ValidationError, match="family"):
        build_backbone("resnet", 18)
