"""A network with an exit behind each segment, and the deployed network.

A cut k lies between block k and block k + 1 (blocks count from 1), so a backbone of N blocks has the legal
cuts 1..N-1; those of a custom network are numbered the same way (`cut_points`). Cuts are increasing; c cuts
make c + 1 segments and as many exits.
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
    """Return every cut between two of `blocks` blocks: (1, ..., blocks - 1)."""
    return tuple(range(1, blocks))


def stage_cuts(ends: Sequence[int]) -> Cuts:
    """Return the published cuts: one behind every stage but the last (arXiv 2303.01211, Fig. 1)."""
    return tuple(ends[:-1])


def check_cuts(cuts: Sequence[int], blocks: int) -> Cuts:
    """Return the cuts as a tuple if they are legal and increasing in a network of `blocks` blocks.

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
    """A network that can be cut: `Backbone`, or any module by way of `TracedNetwork`.

    Attributes:
        shapes: shape of the map at each place: behind every legal cut, then the deepest.
        one_by_one: whether `walk` takes a single utterance only.
    """

    shapes: tuple[MapShape, ...]
    one_by_one: bool

    def maps(self, features_BFT: Tensor, cuts: Sequence[int]) -> Iterable[Tensor]:
        """Run the whole network; return the maps (B, C, ...) behind the increasing cuts, then the deepest.

        Maps may be yielded while the network runs.
        """

    def up_to(self, place: int) -> Cuttable:
        """Return the part of the network up to a place, counted from 1: what a detector with that
        exit needs.
        """

    def walk(self, features_BFT: Tensor, cuts: Sequence[int], unsure: Callable[[Tensor], Tensor]) -> None:
        """Run segment by segment, each on the utterances that have not left yet.

        Args:
            features_BFT: features of all utterances.
            cuts: increasing cuts where utterances may leave.
            unsure: called with the map (A, C, ...) behind each cut and finally the deepest; returns a mask
                (A,) of the utterances that continue.
        """


class MultiExitNetwork(nn.Module):
    """A network with an exit behind each segment, as trained.

    Args:
        backbone: the network to cut.
        cuts: increasing cuts; empty leaves the plain network with its one exit.
        adapter: kind of adapter of the shallow exits, see `adapters`; None where no loss needs one.

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
        """Classifiers of the exits, shallowest first."""
        return [each.classifier for each in self.exits if isinstance(each, Exit)]


class DeployedNetwork(nn.Module):
    """The network and one classifier, at the cost of the plain network: no extra exit, adapter or hook.

    Attributes:
        backbone, classifier: as trained.
    """

    def __init__(self, backbone: Cuttable, classifier: AngularClassifier) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier

    def forward(self, features_BFT: Tensor) -> Tensor:
        """Return scores (B,): logit[bona fide] - logit[spoof]; higher = more bona fide."""
        (map_BCx,) = self.backbone.maps(features_BFT, ())
        cosine_BK, norm_B = self.classifier(global_average(map_BCx))
        return bonafide_score(norm_B[:, None] * cosine_BK)


def deploy(network: MultiExitNetwork) -> DeployedNetwork:
    """Return the network with its deepest exit only; the modules are shared with `network`, not copied."""
    return DeployedNetwork(network.backbone, network.classifiers[-1])
