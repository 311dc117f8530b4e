"""Adapters: project a shallow feature to the width of the deepest one, for the feature loss only.

They are modules of their exit, so the optimiser trains them, and `networks.multi_exit.deploy` drops them.

Shapes: B utterances, C channels, D width of the deepest feature, x spatial axes behind the channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsd_model.errors import InputError

AdapterKind = Literal["linear", "conv", "pool"]


class ConvAdapter(nn.Sequential):
    """The bottleneck of "Be Your Own Teacher": 1x1 to D/4, 3x3 of stride 2, 1x1 to D, then the global mean.

    The original strides down to the deepest map's size, block by block; the global mean behind it makes that
    size irrelevant, so one form serves maps of any size. Reads the map, not the pooled feature.

    Args:
        channels: C of the shallow map.
        axes: its spatial axes, 1 or 2.
        deepest: D.

    Raises:
        InputError: a map without spatial axes.

    Source: Zhang et al. 2019 (ICCV), bottleneck layer of each shallow exit.
    """

    def __init__(self, channels: int, axes: int, deepest: int) -> None:
        if axes == 0:
            raise InputError(
                "distill.adapter: conv needs maps with 1 or 2 spatial axes, got 0; use linear or pool"
            )
        flat = axes == 1
        conv: type[nn.Conv1d | nn.Conv2d] = nn.Conv1d if flat else nn.Conv2d
        norm: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm1d if flat else nn.BatchNorm2d
        mean = nn.AdaptiveAvgPool1d(1) if flat else nn.AdaptiveAvgPool2d(1)
        inner = max(1, deepest // 4)
        super().__init__(
            conv(channels, inner, 1, bias=False), norm(inner), nn.ReLU(),
            conv(inner, inner, 3, stride=2, padding=1, bias=False), norm(inner), nn.ReLU(),
            conv(inner, deepest, 1), mean, nn.Flatten(),
        )  # fmt: skip


class PoolAdapter(nn.Module):
    """Averages (C > D) or repeats (C < D) neighbouring channels to the width D; has no parameters.

    It learns nothing that could hide the mismatch, so the shallow feature itself must change. The order of
    channels is arbitrary, which makes this the bluntest adapter and the cheapest.
    """

    mixing_CD: Tensor

    def __init__(self, channels: int, deepest: int) -> None:
        super().__init__()
        mixing_CD = functional.adaptive_avg_pool1d(torch.eye(channels)[:, None], deepest)[:, 0]
        self.register_buffer("mixing_CD", mixing_CD, persistent=False)

    def forward(self, feature_BC: Tensor) -> Tensor:
        return feature_BC @ self.mixing_CD


def _linear(channels: int, axes: int, deepest: int) -> nn.Module:
    return nn.Linear(channels, deepest)


def _pool(channels: int, axes: int, deepest: int) -> nn.Module:
    return PoolAdapter(channels, deepest)


ADAPTERS: Mapping[AdapterKind, Callable[[int, int, int], nn.Module]] = {
    "linear": _linear,
    "conv": ConvAdapter,
    "pool": _pool,
}
"""Setting -> factory of (channels, spatial axes, deepest width); "linear" is one learned layer with bias."""


def adapt(adapter: nn.Module, map_BCx: Tensor, feature_BC: Tensor) -> Tensor:
    """Return the adapted feature (B, D) of the map or of the pooled feature, whichever the adapter reads."""
    adapted_BD: Tensor = adapter(map_BCx.float() if isinstance(adapter, ConvAdapter) else feature_BC)
    return adapted_BD
