"""K networks of one form as one network: channels side by side, one convolution group per member.

Shapes: K members, B utterances, F bins, T frames.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch import Tensor, nn

from fsd_model.errors import InputError
from fsd_model.experimental.stacked.modules import stacked
from fsd_model.networks.attention_resnet import Backbone
from fsd_model.networks.exits import ExitOutput
from fsd_model.networks.multi_exit import MultiExitNetwork


class StackedNetwork(nn.Module):
    """Computes K networks at once, independent of each other.

    It begins with their weights and statistics, which it copies; `give_back` copies them back. So
    members can leave or join between two epochs: the others are stacked again, and only rounding changes.

    Args:
        networks: with built-in backbones, of one form and on one device; for `Trainer`'s memory format.

    Raises:
        InputError: a custom network, or networks of different form.
    """

    def __init__(self, networks: Sequence[MultiExitNetwork]) -> None:
        super().__init__()
        self._networks = tuple(networks)
        self._cuts = networks[0].cuts
        backbones = [require_built_in(network) for network in networks]
        if len({form(network) for network in networks}) > 1:
            raise InputError("network, cuts: must be the same in a stack, got unlike ones; train them apart")
        stem = stacked([each.stem for each in backbones])
        blocks = [stacked(each) for each in zip(*(own.blocks for own in backbones), strict=True)]
        self.backbone = Backbone(stem, blocks, list(backbones[0].shapes), list(backbones[0].stage_ends))
        self.exits = nn.ModuleList(
            stacked(exits) for exits in zip(*(each.exits for each in networks), strict=True)
        )
        self.to(next(networks[0].parameters()).device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.no_grad():
            for own, theirs in self.pairs():
                own.copy_(theirs)

    def forward(self, features_BKFT: Tensor) -> list[ExitOutput]:
        """Run all members.

        Args:
            features_BKFT: each member's own batch; (B, 1, F, T) where all see the same.

        Returns:
            Outputs of the exits, shallowest first, with the members in front, e.g. cosines (K, B, 2).
        """
        seen = features_BKFT.contiguous(memory_format=torch.channels_last)
        maps = self.backbone.segments(seen, self._cuts)
        return [leave(map_BNFT) for leave, map_BNFT in zip(self.exits, maps, strict=True)]

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each member's part of each parameter and buffer, as a view, with the member's own tensor."""
        members = [network.state_dict(keep_vars=True) for network in self._networks]
        for name, own in self.state_dict(keep_vars=True).items():
            for part, member in zip(of_each(own, members[0][name].shape), members, strict=True):
                yield part, member[name]

    def give_back(self) -> None:
        """Copy weights and statistics to the members."""
        with torch.no_grad():
            for own, theirs in self.pairs():
                theirs.copy_(own)


def of_each(stack: Tensor, shape: torch.Size) -> Tensor:
    """Return a stacked tensor as a view (K, *shape)."""
    return torch.unflatten(stack, 0, (-1, shape[0])) if shape and stack.dim() == len(shape) else stack


def require_built_in(network: MultiExitNetwork) -> Backbone:
    """Return the backbone of a network that can be stacked.

    Raises:
        InputError: a custom network.
    """
    if not isinstance(network.backbone, Backbone):
        raise InputError("network: a custom one cannot be stacked; train it alone")
    return network.backbone


def form(network: MultiExitNetwork) -> Hashable:
    """Return everything that networks of a stack share: all but the values of their weights."""
    shapes = tuple((name, each.shape) for name, each in network.state_dict().items())
    return network.cuts, shapes
