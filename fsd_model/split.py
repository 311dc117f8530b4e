"""Legal cuts of a network, the network with an exit behind each segment, and the deployed network.

A cut k lies between block k and block k + 1 (blocks count from 1), so a backbone of N blocks has the legal
cuts 1..N-1. A split is an increasing set of cuts; c cuts make c + 1 segments and as many exits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from fsd_model.adapters import AdapterKind
from fsd_model.backbone import Backbone
from fsd_model.errors import InputError
from fsd_model.exits import AngularClassifier, Exit, ExitOutput, bonafide_score, global_average

Cuts = tuple[int, ...]


def legal_cuts(blocks: int) -> Cuts:
    """Every cut between two of `blocks` blocks: (1, ..., blocks - 1)."""
    return tuple(range(1, blocks))


def stage_cuts(ends: Sequence[int]) -> Cuts:
    """The published split: a cut behind every stage but the last (arXiv 2303.01211, Fig. 1)."""
    return tuple(ends[:-1])


def check_cuts(cuts: Sequence[int], blocks: int) -> Cuts:
    """Return the cuts as a tuple if they are a split of a network of `blocks` blocks.

    Raises:
        InputError: a cut outside the network, or cuts that do not increase.
    """
    for cut in cuts:
        if cut not in legal_cuts(blocks):
            legal = f"legal cuts are 1 to {blocks - 1}"
            raise InputError(f"cuts: {cut} is outside the network, which has {blocks} blocks; {legal}")
    if any(a >= b for a, b in pairwise(cuts)):
        raise InputError(f"cuts: must increase, got {list(cuts)}; write each cut once, in order")
    return tuple(cuts)


class SplitNetwork(nn.Module):
    """A backbone with an exit behind each segment, as trained.

    Args:
        backbone: stem and ordered blocks.
        cuts: increasing cuts; empty leaves the plain network with its one exit.
        adapter: of the shallow exits, see `adapters`; None where no loss asks for one.

    Raises:
        InputError: illegal cuts, or an adapter that the maps do not allow.
    """

    def __init__(
        self, backbone: Backbone, cuts: Sequence[int], adapter: AdapterKind | None = "linear"
    ) -> None:
        super().__init__()
        count = len(backbone.blocks)
        self.backbone = backbone
        self.cuts = check_cuts(cuts, count)
        ends = (*self.cuts, count)
        deepest = backbone.shapes[-1]
        self.exits = nn.ModuleList(
            Exit(backbone.shapes[end - 1], None if end == count else deepest, adapter) for end in ends
        )
        self._exit_after = {end: index for index, end in enumerate(ends)}

    def forward(self, features_BFT: Tensor) -> list[ExitOutput]:
        """Run all segments; outputs are ordered from the shallowest exit to the deepest."""
        outputs: list[ExitOutput] = []
        map_BCFT = self.backbone.stem(features_BFT[:, None])
        for number, block in enumerate(self.backbone.blocks, start=1):
            map_BCFT = block(map_BCFT)
            if number in self._exit_after:
                outputs.append(self.exits[self._exit_after[number]](map_BCFT))
        return outputs


class DeployedNetwork(nn.Module):
    """The backbone and one classifier: no extra exit, no adapter, no cost over the plain network.

    Attributes:
        stem, blocks, classifier: as trained.
    """

    def __init__(self, stem: nn.Module, blocks: Sequence[nn.Module], classifier: AngularClassifier) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self.classifier = classifier

    def forward(self, features_BFT: Tensor) -> Tensor:
        """Scores (B,): logit[bona fide] - logit[spoof]; higher = more bona fide."""
        map_BCFT = self.stem(features_BFT[:, None])
        for block in self.blocks:
            map_BCFT = block(map_BCFT)
        cosine_BK, norm_B = self.classifier(global_average(map_BCFT))
        return bonafide_score(norm_B[:, None] * cosine_BK)


def deploy(network: SplitNetwork) -> DeployedNetwork:
    """Drop every exit but the deepest; the modules are shared with `network`, not copied."""
    last = network.exits[-1]
    assert isinstance(last, Exit)
    return DeployedNetwork(network.backbone.stem, list(network.backbone.blocks), last.classifier)
