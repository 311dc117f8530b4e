"""Which points of a network everything passes through, and what stands before them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from fsd_model.errors import InputError
from fsd_model.networks.attention_resnet import build_backbone
from fsd_model.networks.custom_network import TracedNetwork, spread_cuts
from fsd_model.networks.cut_points import Point, Trace, trace
from tests.fsd_model.support.custom_networks import PlainCnn, RawResidual, Wav2vec

F, T = 10, 12


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)  # as in training; more of them are slower on maps this small


def names(network: nn.Module, rows: int = F, frames: int = T) -> list[str]:
    return [cut.module for cut in trace(network, rows, frames).cuts]


def module(forward, **layers: nn.Module) -> nn.Module:
    """A module with these layers whose forward is `forward(self, features_BFT)`."""
    made = type("Made", (nn.Module,), {"forward": forward})()
    for name, layer in layers.items():
        made.add_module(name, layer)
    return made


def test_a_plain_cnn_is_cut_behind_each_group_of_layers():
    found = trace(PlainCnn(), F, T)
    assert [(cut.module, cut.shape) for cut in found.cuts] == [("pool", (4, 5, 6)), ("norm2", (8, 5, 6))]
    assert found.output.shape == (6,)
    assert [cut.altered for cut in found.cuts] == [False, True]


def test_cost_and_parameters_are_those_counted_by_hand():
    first, second = 4 * 9 * F * T, 8 * 4 * 9 * (F // 2) * (T // 2)
    found = trace(PlainCnn(), F, T)
    assert [cut.macs for cut in found.cuts] == [first, first + second]
    assert found.output.macs == first + second + 8 * 6
    weights = [4 * 9 + 2 * 4, 8 * 4 * 9 + 8 + 2 * 8, 8 * 6 + 6]
    assert [cut.parameters for cut in found.cuts] == [weights[0], sum(weights[:2])]
    assert found.output.parameters == sum(weights) == sum(p.numel() for p in PlainCnn().parameters())


def test_a_residual_block_is_cut_behind_it_and_not_inside():
    found = trace(RawResidual(), 1, 8000)
    # the block's own output has passed the functional pooling; blocks.2 ends in the deepest exit
    assert [(cut.module, cut.shape) for cut in found.cuts] == [
        ("blocks.0", (6, 531)),
        ("blocks.1", (12, 177)),
    ]
    assert found.output.shape == (12, 59)


def test_a_transformer_is_cut_behind_its_convolutions_and_layers():
    found = trace(Wav2vec(), 1, 8000)
    encoder = "model.encoder"
    assert [cut.module for cut in found.cuts] == [
        "model.feature_extractor.conv_layers.0",
        "model.feature_extractor.conv_layers.1",
        f"{encoder}.feature_projection.layer_norm",
        f"{encoder}.feature_projection",
        f"{encoder}.transformer.dropout",
        f"{encoder}.transformer.layers.0",
        f"{encoder}.transformer.layers.1",
    ]
    assert [cut.shape for cut in found.cuts][1:4] == [(16, 799), (16, 399), (24, 399)]
    assert [cut.channel_axis for cut in (*found.cuts, found.output)] == [1, 1, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("depth", [18, 50])
def test_built_in_networks_are_cut_behind_their_blocks(depth):
    backbone = build_backbone("ecanet" if depth < 50 else "senet", depth)
    found = trace(backbone, 45, 600)
    blocks = [f"blocks.{block}" for block in range(len(backbone.blocks) - 1)]
    assert [cut.module for cut in found.cuts] == ["stem", *blocks]
    shapes = [(cut.shape[0], len(cut.shape) - 1) for cut in (*found.cuts[1:], found.output)]
    assert shapes == [(shape.channels, shape.axes) for shape in backbone.shapes]


def blocking(network: nn.Module, x: torch.Tensor) -> set[str]:
    """By autograd instead: the modules behind whose detached output no gradient reaches the input."""
    found = set()
    for name, layer in network.eval().named_modules():
        ran = []

        def cut_off(module, given, result, ran=ran):
            ran.append(result if isinstance(result, torch.Tensor) else result[0])
            fresh = ran[0].detach().requires_grad_().clone()
            return fresh if isinstance(result, torch.Tensor) else (fresh, *result[1:])

        handle = layer.register_forward_hook(cut_off)
        given = x.clone().requires_grad_()
        network(given).sum().backward()
        handle.remove()
        if len(ran) == 1 and given.grad is None:
            found.add(name)
    return found


def test_autograd_agrees_on_what_everything_passes():
    raw = RawResidual()
    assert blocking(raw, torch.randn(2, 1, 500)) == {"", "blocks", "blocks.0", "blocks.1", "blocks.2"}
    for network, rows, frames in ((build_backbone("senet", 18), 45, 60), (Wav2vec(), 1, 800)):
        cuts = set(names(network, rows, frames))
        passed = blocking(network, torch.randn(2, rows, frames))
        assert cuts <= passed
        blocks = {name for name in passed if ".".join(name.split(".")[-2:-1]) in ("blocks", "layers")}
        assert blocks <= cuts | {"blocks.7", "model.encoder.transformer.layers.2"}


def test_a_module_that_runs_twice_is_no_cut():
    def forward(self, x):
        return self.last(self.shared(self.shared(x)))

    made = module(forward, shared=nn.Conv1d(F, F, 3), last=nn.Conv1d(F, 4, 3))
    assert names(made) == []


def test_a_shortcut_over_several_layers_forbids_all_of_them():
    def forward(self, x):
        x = self.a(x)
        return self.d(x + self.c(self.b(x)))

    layers = {name: nn.Conv1d(F, F, 3, padding=1) for name in "abcd"}
    assert names(module(forward, **layers)) == ["a"]


@pytest.mark.parametrize("hide", [torch.Tensor.detach, lambda x: x.data, lambda x: x.argmax(1, keepdim=True)])
def test_a_path_without_gradient_is_a_path(hide):
    def forward(self, x):
        return self.c(self.b(self.a(x)) + hide(x))

    layers = {name: nn.Conv1d(F, F, 3, padding=1) for name in "abc"}
    assert names(module(forward, **layers)) == []


def test_the_shape_alone_carries_nothing():
    def forward(self, x):
        return self.b(self.a(x) + torch.zeros_like(x) + torch.ones(x.shape))

    layers = {name: nn.Conv1d(F, F, 3, padding=1) for name in "ab"}
    assert names(module(forward, **layers)) == ["a"]


def test_an_identity_is_a_cut_on_the_path_and_none_in_a_shortcut():
    def forward(self, x):
        x = self.mark(torch.relu(self.a(x)))
        return self.c(self.b(x) + self.shortcut(x))

    layers = {name: nn.Conv1d(F, F, 3, padding=1) for name in "abc"}
    assert names(module(forward, mark=nn.Identity(), shortcut=nn.Identity(), **layers)) == ["mark"]


def test_one_half_of_a_split_map_is_not_the_whole():
    def forward(self, x):
        left, right = self.a(x).chunk(2, dim=1)
        return self.c(torch.cat([self.b(left), right], 1))

    made = module(forward, a=nn.Conv1d(F, 8, 1), b=nn.Identity(), c=nn.Conv1d(8, 4, 1))
    assert names(made) == ["a"]


def test_work_in_place_and_on_views_is_followed():
    def forward(self, x):
        kept = self.a(x)
        rows = torch.zeros(len(x), F, T)
        rows[:, :5] = self.b(kept)[:, :5]
        rows[:, 5:].copy_(kept[:, 5:])
        return self.d(self.c(rows))

    layers = {name: nn.Conv1d(F, F, 3, padding=1) for name in "abcd"}
    assert names(module(forward, **layers)) == ["a", "c"]


def test_frozen_layers_have_cuts_too():
    def forward(self, x):
        with torch.no_grad():
            x = self.b(self.a(x))
        return self.c(x)

    layers = {name: nn.Conv1d(F, F, 3) for name in "abc"}
    assert names(module(forward, **layers)) == ["a", "b"]


def test_recurrent_layers_and_attention_cost_what_they_compute():
    def forward(self, x):
        out, _ = self.lstm(self.a(x).transpose(1, 2))
        return self.layer(self.b(out))

    layer = nn.TransformerEncoderLayer(6, 2, 7, batch_first=True)
    made = module(
        forward, a=nn.Conv1d(F, 8, 1), lstm=nn.LSTM(8, 5, batch_first=True), b=nn.Linear(5, 6), layer=layer
    )
    found = trace(made, F, T)
    conv, lstm, linear = F * 8 * T, 4 * 5 * (8 + 5) * T, 5 * 6 * T
    attention = 4 * 6 * 6 * T + 2 * 6 * T * T
    assert [cut.macs for cut in found.cuts][:2] == [conv, conv + lstm + linear]
    assert found.cuts[2].module == "layer.norm1"
    assert found.cuts[2].macs == conv + lstm + linear + attention
    assert found.output.macs == found.cuts[2].macs + 2 * 6 * 7 * T


def test_a_map_with_the_utterances_elsewhere_is_no_cut():
    def forward(self, x):
        return self.c(self.b(self.a(x).permute(2, 0, 1)).permute(1, 0, 2))

    assert names(module(forward, a=nn.Conv1d(F, 8, 1), b=nn.Linear(8, 6), c=nn.Linear(6, 4))) == ["a"]


def test_a_network_of_one_length_has_its_channels_on_axis_1():
    def forward(self, x):
        return self.b(self.a(x) + torch.zeros(T, 8))

    made = module(lambda self, x: forward(self, x.transpose(1, 2)), a=nn.Linear(F, 8), b=nn.Linear(8, 4))
    assert trace(made, F, T).cuts[0].shape == (T, 8)


def test_tracing_leaves_no_trace():
    network = PlainCnn().train()
    network.norm1.eval()
    before = copy.deepcopy(network.state_dict())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trace(network, F, T)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert (network.training, network.norm1.training, network.norm2.training) == (True, False, True)
    assert not any(m._forward_hooks for m in network.modules())


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda self, x: self.a(x)[:, 0, 0], "2 to 4 axes, got torch.float32"),
        (lambda self, x: (self.a(x), x), "one tensor, got none or several"),
        (lambda self, x: self.a(torch.ones(len(x), F, T)), "does not depend on the features"),
        (lambda self, x: x * 2, "no layer with weights"),
        (lambda self, x: self.a(x[:, None]), r"fails on features \(2, 10, 12\) with RuntimeError"),
        (lambda self, x: self.a(x).transpose(0, 1), "utterances on axis 0"),
        (lambda self, x: self.a(x).argmax(1), "floating point"),
    ],
)
def test_what_cannot_be_traced_is_named_in_one_line(forward, words):
    with pytest.raises(InputError, match=words) as caught:
        trace(module(forward, a=nn.Conv1d(F, 4, 3)), F, T)
    assert "\n" not in str(caught.value)


def test_the_maps_are_those_of_the_modules_before_later_changes_in_place():
    network = PlainCnn().eval()
    traced = TracedNetwork(network, trace(network, F, T))
    x = torch.randn(3, F, T)
    first, second, deepest = traced.maps(x, (1, 2))
    expected = network.pool(torch.relu(network.norm1(network.conv1(x[:, None]))))
    torch.testing.assert_close(first, expected, rtol=0, atol=0)
    normed = network.norm2(network.conv2(expected))
    assert float(normed.detach().min()) < 0
    torch.testing.assert_close(second, normed, rtol=0, atol=0)
    torch.testing.assert_close(deepest, network(x), rtol=0, atol=0)


def test_maps_of_a_transformer_come_channels_first():
    network = Wav2vec().eval()
    traced = TracedNetwork(network, trace(network, 1, 8000))
    maps = traced.maps(torch.randn(2, 1, 6000), tuple(range(1, 8)))
    assert [m.shape[1] for m in maps] == [shape.channels for shape in traced.shapes]
    hidden = network.model.extract_features(torch.zeros(2, 6000))[0]
    again = traced.maps(torch.zeros(2, 1, 6000), (6, 7))
    for ours, theirs in zip(again[:2], hidden[:2], strict=True):
        torch.testing.assert_close(ours, theirs.transpose(1, 2), rtol=0, atol=0)


def test_a_copy_and_a_failed_pass_carry_no_hook():
    network = PlainCnn()
    traced = TracedNetwork(network, trace(network, F, T))
    with pytest.raises(RuntimeError):
        traced.maps(torch.randn(3, F), (1,))
    assert not any(m._forward_hooks for m in network.modules())
    twin = copy.deepcopy(traced).eval()
    x = torch.randn(3, F, T)
    for ours, theirs in zip(twin.maps(x, (1, 2)), traced.eval().maps(x, (1, 2)), strict=True):
        assert torch.equal(ours, theirs)
    assert list(traced.state_dict()) == [f"network.{name}" for name in network.state_dict()]


def test_a_layer_dropped_at_random_is_named():
    network = Wav2vec(layer_drop=1.0).train()
    traced = TracedNetwork(network, trace(network, 1, 8000))
    with pytest.raises(InputError, match=r"cut 6: `model.encoder.transformer.layers.0` did not run"):
        traced.maps(torch.randn(2, 1, 8000), (6,))


def test_the_usual_cuts_divide_the_cost_most_evenly():
    def at(*shares: int) -> Trace:
        points = [Point("m", (4,), 1, False, share, 0) for share in (*shares, 100)]
        return Trace(tuple(points[:-1]), points[-1], (45, 48))

    assert spread_cuts(at(10, 26, 40, 52, 70, 90)) == (2, 4, 5)
    assert spread_cuts(at(50)) == (1,)
    assert spread_cuts(at()) == ()


def test_functional_layers_between_modules_are_part_of_the_path():
    def forward(self, x):
        return functional.conv1d(self.a(x), self.weight)

    made = module(forward, a=nn.Conv1d(F, 8, 1))
    made.weight = nn.Parameter(torch.randn(4, 8, 1))
    found = trace(made, F, T)
    assert [cut.module for cut in found.cuts] == ["a"]
    assert found.output.macs == F * 8 * T + 8 * 4 * T
