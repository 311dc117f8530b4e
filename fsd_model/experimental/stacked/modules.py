"""Modules of K networks of one form as single modules that compute all K at once.

Shapes: K members, B utterances, C channels of one member, D width of the deepest feature, F bins, T frames.
Maps are (B, K*C, F, T), the first member's channels first; pooled features (K, B, C). Every parameter and
buffer has the name that it has in a member, and the members' values along its first axis: (K*n, ...) or
(K, n, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsd_model.errors import InputError
from fsd_model.networks.adapters import ConvAdapter, PoolAdapter
from fsd_model.networks.attention_resnet import EfficientChannelAttention, ResidualBlock, SqueezeExcitation
from fsd_model.networks.exits import AngularClassifier, Exit, ExitOutput, average_in_format


class GroupedConv(nn.Module):
    """Convolutions of all members, one group each.

    A map without a channel for each member, (B, C, F, T), is shared: all members see the same.
    """

    def __init__(self, like: nn.Conv1d | nn.Conv2d, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count * like.out_channels, *like.weight.shape[1:]))
        self.bias = None if like.bias is None else nn.Parameter(torch.empty(count * like.out_channels))
        self._stride, self._padding = like.stride, like.padding
        self._convolve: Callable[..., Tensor] = (
            functional.conv1d if isinstance(like, nn.Conv1d) else functional.conv2d
        )

    def forward(self, map_BCx: Tensor) -> Tensor:
        groups = map_BCx.shape[1] // self.weight.shape[1]
        return self._convolve(
            map_BCx,
            self.weight,
            self.bias,
            self._stride,
            self._padding,
            groups=groups,
        )


class StackedNorm(nn.BatchNorm2d):
    """Batch norm of all members; each counts its own batches, (K,)."""

    def __init__(self, like: nn.BatchNorm2d, count: int) -> None:
        super().__init__(count * like.num_features, like.eps, like.momentum)
        self.num_batches_tracked = torch.zeros(count, dtype=torch.long)


class StackedLinear(nn.Module):
    """(K, B, C) -> (K, B, D), a matrix and a bias for each member."""

    def __init__(self, like: nn.Linear, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, *like.weight.shape))
        self.bias = None if like.bias is None else nn.Parameter(torch.empty(count, like.out_features))

    def forward(self, feature_KBC: Tensor) -> Tensor:
        weight_KCD = self.weight.transpose(1, 2)
        if self.bias is None:
            return torch.bmm(feature_KBC, weight_KCD)
        return torch.baddbmm(self.bias[:, None], feature_KBC, weight_KCD)


def by_member(whole_BNx: Tensor, count: int) -> Tensor:
    """(B, K*C, ...) -> (K, B, C, ...), a view."""
    return torch.unflatten(whole_BNx, 1, (count, -1)).transpose(0, 1)


class StackedSqueezeExcitation(nn.Module):
    """See `SqueezeExcitation`."""

    def __init__(self, like: SqueezeExcitation, count: int) -> None:
        super().__init__()
        self.squeeze = StackedLinear(like.squeeze, count)
        self.excite = StackedLinear(like.excite, count)
        self._count = count

    def forward(self, map_BNFT: Tensor) -> Tensor:
        pooled_KBC = by_member(map_BNFT.mean((2, 3)), self._count)
        gate_KBC = torch.sigmoid(self.excite(torch.relu(self.squeeze(pooled_KBC))))
        return map_BNFT * gate_KBC.transpose(0, 1).flatten(1)[:, :, None, None]


class StackedChannelAttention(nn.Module):
    """See `EfficientChannelAttention`; the taps run over one member's channels."""

    def __init__(self, like: EfficientChannelAttention, count: int) -> None:
        super().__init__()
        self.mix = GroupedConv(like.mix, count)
        self._count = count

    def forward(self, map_BNFT: Tensor) -> Tensor:
        pooled_BKC = torch.unflatten(map_BNFT.mean((2, 3)), 1, (self._count, -1))
        gate_BN = torch.sigmoid(self.mix(pooled_BKC).flatten(1))
        return map_BNFT * gate_BN[:, :, None, None]


class StackedClassifier(nn.Module):
    """See `AngularClassifier`: (K, B, C) -> cosines (K, B, 2) and norms (K, B)."""

    def __init__(self, like: AngularClassifier, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, *like.weight.shape))

    def forward(self, feature_KBC: Tensor) -> tuple[Tensor, Tensor]:
        rows_KCL = functional.normalize(self.weight, dim=2).transpose(1, 2)
        cosine_KBL = torch.bmm(functional.normalize(feature_KBC, dim=2), rows_KCL)
        return cosine_KBL.clamp(-1.0, 1.0), feature_KBC.norm(dim=2)


class StackedExit(nn.Module):
    """See `Exit`; everything in its output has the members in front, e.g. cosines (K, B, 2)."""

    def __init__(self, exits: Sequence[Exit]) -> None:
        super().__init__()
        self._count = len(exits)
        self.classifier = StackedClassifier(exits[0].classifier, self._count)
        adapters = [each.adapter for each in exits if each.adapter is not None]
        self.adapter = stacked(adapters) if adapters else None

    def forward(self, map_BNFT: Tensor) -> ExitOutput:
        with torch.autocast(map_BNFT.device.type, enabled=False):
            feature_KBC = by_member(average_in_format(map_BNFT), self._count)
            cosine_KBL, norm_KB = self.classifier(feature_KBC)
            projected_KBD = None if self.adapter is None else self._adapted(map_BNFT, feature_KBC)
        map_KBCFT = by_member(map_BNFT, self._count)
        return ExitOutput(cosine_KBL, norm_KB, feature_KBC, map_KBCFT, projected_KBD)

    def _adapted(self, map_BNFT: Tensor, feature_KBC: Tensor) -> Tensor:
        assert self.adapter is not None
        if isinstance(self.adapter, nn.Sequential):  # a `ConvAdapter`
            return by_member(self.adapter(map_BNFT.float()), self._count)
        adapted_KBD: Tensor = self.adapter(feature_KBC)
        return adapted_KBD


def _chain(modules: Sequence[nn.Sequential]) -> nn.Module:
    return nn.Sequential(*(stacked(layers) for layers in zip(*modules, strict=True)))


def _block(modules: Sequence[ResidualBlock]) -> nn.Module:
    body = _chain([each.body for each in modules])
    assert isinstance(body, nn.Sequential)
    block = ResidualBlock(body, 1, 1, 1)
    block.shortcut = stacked([each.shortcut for each in modules])
    return block


_PLAIN = {nn.ReLU, nn.Identity, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, PoolAdapter}
_SEVERAL: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Sequential: _chain,
    ConvAdapter: _chain,
    ResidualBlock: _block,
    Exit: StackedExit,
}
_SINGLE: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Conv1d: GroupedConv,
    nn.Conv2d: GroupedConv,
    nn.BatchNorm2d: StackedNorm,
    nn.Linear: StackedLinear,
    SqueezeExcitation: StackedSqueezeExcitation,
    EfficientChannelAttention: StackedChannelAttention,
}


def stacked(modules: Sequence[Any]) -> nn.Module:
    """One module for K of one form; its parameters are not set.

    Raises:
        InputError: a module that built-in networks do not have.
    """
    kind = type(modules[0])
    if kind in _SEVERAL:
        return _SEVERAL[kind](modules)
    if kind in _SINGLE:
        return _SINGLE[kind](modules[0], len(modules))
    if kind in _PLAIN:  # nothing to learn; works on channels or features of any number of members
        plain: nn.Module = modules[0]
        return plain
    raise InputError(f"network: only built-in networks can be stacked, got a {kind.__name__}; train it alone")
