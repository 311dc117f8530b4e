"""SENet and ECANet of depth 9, 18, 34 and 50 as a stem and an ordered list of blocks.

Shapes: B utterances, C channels, F frequency bins, T frames. Input maps are (B, 1, F, T).

Source: arXiv 2303.01211, Fig. 1 (attention ResNets cut into four stages); channels 16-32-64-128 and the
7x7 stem as in ASSERT (Lai et al. 2019); SE (Hu et al. 2018) with reduction 16; ECA (Wang et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from fsd_model.networks.exits import MapShape
from fsd_model.settings import Settings

Family = Literal["senet", "ecanet"]
Depth = Literal[9, 18, 34, 50]

STAGE_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    9: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
}
STAGE_CHANNELS = (16, 32, 64, 128)
SE_REDUCTION = 16


class NetworkConfig(Settings):
    """Settings of a built-in network; the defaults are the most defensible reading of the paper.

    Attributes:
        family: channel attention, squeeze-and-excitation or efficient channel attention.
        depth: 9, 18 and 34 use basic blocks, 50 bottlenecks.
        stem: one 7x7 convolution of stride 2 with pooling, or three 3x3 of stride 1 (14 times the cost).
        strides: stride of the first block of each stage.
        expansion: output over inner channels of a bottleneck (depth 50 only).
        eca_kernel: taps of the channel convolution; "adaptive" grows with log2 of the channels.
    """

    family: Family = "ecanet"
    depth: Depth = 18
    stem: Literal["7x7", "3x3"] = "7x7"
    strides: Literal["1-2-2-2", "1-2-1-2"] = "1-2-2-2"
    expansion: Literal[2, 4] = 2
    eca_kernel: Literal[3, 5, 7, "adaptive"] = 3


class SqueezeExcitation(nn.Module):
    """Weights channels by the globally pooled map through two bias-free layers (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // SE_REDUCTION, bias=False)
        self.excite = nn.Linear(channels // SE_REDUCTION, channels, bias=False)

    def forward(self, map_BCFT: Tensor) -> Tensor:
        pooled_BC = map_BCFT.mean((2, 3))
        gate_BC = torch.sigmoid(self.excite(torch.relu(self.squeeze(pooled_BC))))
        return map_BCFT * gate_BC[:, :, None, None]


class EfficientChannelAttention(nn.Module):
    """Weights channels by a short convolution over the pooled channels (Wang et al. 2020)."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, map_BCFT: Tensor) -> Tensor:
        pooled_BC = map_BCFT.mean((2, 3))
        gate_BC = torch.sigmoid(self.mix(pooled_BC[:, None])[:, 0])
        return map_BCFT * gate_BC[:, :, None, None]


def eca_kernel_size(channels: int) -> int:
    """Return the nearest odd number at or above the integer part of (log2 C + 1) / 2 (Wang et al. 2020, eq.
    12).
    """
    size = int(abs((math.log2(channels) + 1) / 2))
    return size if size % 2 else size + 1


def _attention(config: NetworkConfig, channels: int) -> nn.Module:
    if config.family == "senet":
        return SqueezeExcitation(channels)
    kernel = eca_kernel_size(channels) if config.eca_kernel == "adaptive" else config.eca_kernel
    return EfficientChannelAttention(kernel)


def _conv(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)


class ResidualBlock(nn.Module):
    """Computes ReLU(shortcut(x) + attention(body(x))); the shortcut is a 1x1 convolution where the shape
    changes.
    """

    def __init__(self, body: nn.Sequential, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.body = body
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(_conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))

    def forward(self, map_BCFT: Tensor) -> Tensor:
        return torch.relu(self.body(map_BCFT) + self.shortcut(map_BCFT))


def _basic(config: NetworkConfig, c_in: int, width: int, stride: int) -> tuple[nn.Module, int]:
    body = nn.Sequential(
        _conv(c_in, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(),
        _conv(width, width, 3), nn.BatchNorm2d(width),
        _attention(config, width),
    )  # fmt: skip
    return ResidualBlock(body, c_in, width, stride), width


def _bottleneck(config: NetworkConfig, c_in: int, width: int, stride: int) -> tuple[nn.Module, int]:
    c_out = width * config.expansion
    body = nn.Sequential(
        _conv(c_in, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
        _conv(width, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(),
        _conv(width, c_out, 1), nn.BatchNorm2d(c_out),
        _attention(config, c_out),
    )  # fmt: skip
    return ResidualBlock(body, c_in, c_out, stride), c_out


def _stem(kind: str) -> nn.Sequential:
    width = STAGE_CHANNELS[0]
    if kind == "7x7":
        return nn.Sequential(_conv(1, width, 7, 2), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    layers: list[nn.Module] = []
    for c_in in (1, width, width):
        layers += [_conv(c_in, width, 3), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)


class Backbone(nn.Module):
    """A stem and an ordered list of blocks, each one tensor in and one out.

    Attributes:
        stem: runs before the first block and belongs to the first segment.
        blocks: the ordered blocks.
        shapes: of the map that leaves each block.
        stage_ends: number of blocks up to the end of each stage, e.g. (2, 4, 6, 8) at depth 18.
    """

    one_by_one = False

    def __init__(
        self, stem: nn.Module, blocks: list[nn.Module], shapes: list[MapShape], stage_ends: list[int]
    ) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self.shapes = tuple(shapes)
        self.stage_ends = tuple(stage_ends)

    def forward(self, features_BFT: Tensor) -> Tensor:
        """Return the deepest map (B, C, F, T)."""
        (deepest_BCFT,) = self.maps(features_BFT, ())
        return deepest_BCFT

    def maps(self, features_BFT: Tensor, cuts: Sequence[int]) -> Iterator[Tensor]:
        """Run segment by segment; yield the maps (B, C, F, T) behind the cuts, then the deepest."""
        return self.segments(features_BFT[:, None], cuts)

    def segments(self, map_BCFT: Tensor, cuts: Sequence[int]) -> Iterator[Tensor]:
        """Yield the same as `maps`, from the input of the stem (B, 1, F, T)."""
        map_BCFT = self.stem(map_BCFT)
        for number, block in enumerate(self.blocks, start=1):
            map_BCFT = block(map_BCFT)
            if number in cuts:
                yield map_BCFT
        yield map_BCFT

    def up_to(self, place: int) -> Backbone:
        """Return the network up to and including block `place`; modules are shared, not copied."""
        ends = [end for end in self.stage_ends if end <= place]
        return Backbone(self.stem, list(self.blocks[:place]), list(self.shapes[:place]), ends)

    def walk(self, features_BFT: Tensor, cuts: Sequence[int], unsure: Callable[[Tensor], Tensor]) -> None:
        """See `Cuttable.walk`."""
        map_ACFT = self.stem(features_BFT[:, None])
        for number, block in enumerate(self.blocks, start=1):
            map_ACFT = block(map_ACFT)
            if number in cuts:
                map_ACFT = map_ACFT[unsure(map_ACFT)]
                if not len(map_ACFT):
                    return
        unsure(map_ACFT)


def stage_ends(depth: int) -> tuple[int, ...]:
    """Return the number of blocks up to the end of each stage, e.g. (2, 4, 6, 8) at depth 18."""
    counts = STAGE_BLOCKS[depth]
    return tuple(sum(counts[: stage + 1]) for stage in range(len(counts)))


def build_backbone(name: Family, depth: Depth, config: NetworkConfig | None = None) -> Backbone:
    """Build a freshly initialised backbone: Kaiming normal (fan out) convolutions, batch norm 1 and 0.

    Args:
        name: "senet" or "ecanet".
        depth: 9, 18, 34 or 50.
        config: the remaining choices (stem, strides, ...); its family and depth are replaced.

    Raises:
        pydantic.ValidationError: another name or depth.
    """
    base = (config or NetworkConfig()).model_dump()
    chosen = NetworkConfig(**{**base, "family": name, "depth": depth})
    make: Callable[..., tuple[nn.Module, int]] = _bottleneck if depth == 50 else _basic
    strides = [int(s) for s in chosen.strides.split("-")]
    blocks: list[nn.Module] = []
    shapes: list[MapShape] = []
    c_in = STAGE_CHANNELS[0]
    for count, width, stage_stride in zip(STAGE_BLOCKS[depth], STAGE_CHANNELS, strides, strict=True):
        for index in range(count):
            block, c_in = make(chosen, c_in, width, stage_stride if index == 0 else 1)
            blocks.append(block)
            shapes.append(MapShape(c_in, axes=2))
    backbone = Backbone(_stem(chosen.stem), blocks, shapes, list(stage_ends(depth)))
    backbone.apply(_initialise)
    return backbone


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
