"""A network with an exit behind each segment, and the deployed network.

A cut k lies between block k and block k + 1 (blocks count from 1), so a backbone of N blocks has the legal
cuts 1..N-1. A network of one's own counts its legal cuts the same way (`tracing`). A split is an increasing
set of cuts; c cuts make c + 1 segments and as many exits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from torch import Tensor, nn

from fsd_model.errors import InputError
from fsd_model.networks.adapters import AdapterKind
from fsd_model.networks.exits import (
    AngularClassifier,
    Exit,
    ExitOutput,
    MapShape,
    bonafide_score,
    global_average,
)

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
    legal = f"legal cuts are 1 to {blocks - 1}" if blocks > 1 else "it cannot be cut, write []"
    for cut in cuts:
        if cut not in legal_cuts(blocks):
            raise InputError(f"cuts: {cut} is outside the network, which has {blocks} blocks; {legal}")
    if any(a >= b for a, b in pairwise(cuts)):
        raise InputError(f"cuts: must increase, got {list(cuts)}; write each cut once, in order")
    return tuple(cuts)


class Cuttable(Protocol):
    """What can be split: `Backbone`, or any network by way of `TracedNetwork`; both are modules.

    Attributes:
        shapes: of the map at each place: behind every legal cut, then the deepest.
        one_by_one: `walk` takes a single utterance.
    """

    shapes: tuple[MapShape, ...]
    one_by_one: bool

    def maps(self, features_BFT: Tensor, cuts: Sequence[int]) -> Iterable[Tensor]:
        """Run the whole network; maps (B, C, ...) behind the increasing cuts, then the deepest.

        Maps may be handed over while the network runs.
        """

    def up_to(self, place: int) -> Cuttable:
        """What leads to the map at a place, counted from 1: all that a detector with that exit needs."""

    def walk(self, features_BFT: Tensor, cuts: Sequence[int], unsure: Callable[[Tensor], Tensor]) -> None:
        """Run segment by segment, each with the utterances that have not left.

        Args:
            features_BFT: of all.
            cuts: increasing, where utterances may leave.
            unsure: gets the map (A, C, ...) behind each cut and at last the deepest; says which of the A
                utterances go on, a mask (A,).
        """


class MultiExitNetwork(nn.Module):
    """A network with an exit behind each segment, as trained.

    Args:
        backbone: what is cut.
        cuts: increasing cuts; empty leaves the plain network with its one exit.
        adapter: of the shallow exits, see `adapters`; None where no loss asks for one.

    Raises:
        InputError: illegal cuts, or an adapter that the maps do not allow.
    """

    def __init__(
        self, backbone: Cuttable, cuts: Sequence[int], adapter: AdapterKind | None = "linear"
    ) -> None:
        super().__init__()
        count = len(backbone.shapes)
        self.backbone = backbone
        self.cuts = check_cuts(cuts, count)
        deepest = backbone.shapes[-1]
        self.exits = nn.ModuleList(
            Exit(backbone.shapes[end - 1], None if end == count else deepest, adapter)
            for end in (*self.cuts, count)
        )

    def forward(self, features_BFT: Tensor) -> list[ExitOutput]:
        """Run all segments; outputs are ordered from the shallowest exit to the deepest."""
        maps = self.backbone.maps(features_BFT, self.cuts)
        return [leave(map_BCx) for leave, map_BCx in zip(self.exits, maps, strict=True)]

    @property
    def classifiers(self) -> list[AngularClassifier]:
        """Of the exits, shallowest first."""
        return [each.classifier for each in self.exits if isinstance(each, Exit)]


class DeployedNetwork(nn.Module):
    """The network and one classifier: no extra exit, no adapter, no hook, no cost over the plain network.

    Attributes:
        backbone, classifier: as trained.
    """

    def __init__(self, backbone: Cuttable, classifier: AngularClassifier) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier

    def forward(self, features_BFT: Tensor) -> Tensor:
        """Scores (B,): logit[bona fide] - logit[spoof]; higher = more bona fide."""
        (map_BCx,) = self.backbone.maps(features_BFT, ())
        cosine_BK, norm_B = self.classifier(global_average(map_BCx))
        return bonafide_score(norm_B[:, None] * cosine_BK)


def deploy(network: MultiExitNetwork) -> DeployedNetwork:
    """Drop every exit but the deepest; the modules are shared with `network`, not copied."""
    return DeployedNetwork(network.backbone, network.classifiers[-1])
