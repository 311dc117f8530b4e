"""Exits on the legal cuts of a custom network: its `forward` stays unchanged, hooks read the maps.

Shapes: B utterances, C channels, F rows and T frames of the front end; x any axes behind the channels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fsd_model.errors import InputError
from fsd_model.networks.cut_points import Trace
from fsd_model.networks.exits import MapShape
from fsd_model.networks.forward_graph import tensors

_PUBLISHED_EXITS = 4


class _LeftError(BaseException):  # so that no `except Exception` on the way takes it
    """Ends a forward pass at the last exit."""


class TracedNetwork(nn.Module):
    """Makes any module with a trace cuttable; see `networks.multi_exit.Cuttable`.

    Args:
        network: takes features (B, F, T), returns one tensor.
        trace: of this network.
        last: number of the place, from 1, where a forward pass ends; None for the output.

    Attributes:
        shapes: of the map at each place: behind every legal cut, then the output, up to the last.
    """

    one_by_one = True  # its forward runs through: it can be left, but not with a part of the batch

    def __init__(self, network: nn.Module, trace: Trace, last: int | None = None) -> None:
        super().__init__()
        self.network = network
        self.trace, self.last = trace, last
        self.places = (*trace.cuts, trace.output)[:last]
        self.shapes = tuple(MapShape(place.shape[0], len(place.shape) - 1) for place in self.places)

    def maps(self, features_BFT: Tensor, cuts: Sequence[int]) -> list[Tensor]:
        """Run the network; yield the maps (B, C, x) behind the cuts, then the deepest.

        Raises:
            InputError: in this pass the module at a cut did not run, or ran more than once.
        """
        found: dict[int, Tensor] = {}

        def read(place: int, output: Tensor) -> bool:
            found[place] = output
            return place == self.last

        self._run(features_BFT, cuts, read)
        for cut in (*cuts, len(self.places)):
            if cut not in found:
                name = self.places[cut - 1].module
                raise InputError(
                    f"cut {cut}: `{name}` did not run in this pass; switch off what drops layers at random"
                )
        return [self._channels_first(place, found[place]) for place in sorted(found)]

    def up_to(self, place: int) -> TracedNetwork:
        """Return a copy whose forward pass ends at a place; weights behind it are empty tensors.

        Weights that the pass reads although it does not need them stay.
        """
        part = TracedNetwork(copy.deepcopy(self.network), self.trace, place).eval()
        whole = {name: each.data for name, each in part.network.named_parameters()}
        for name, each in part.network.named_parameters():
            if name not in self.places[place - 1].used:
                each.data = each.data.new_empty(0)
        device = next(iter(whole.values())).device
        try:
            with torch.no_grad():
                part.maps(torch.zeros(2, *self.trace.features, device=device), ())
        except Exception:  # noqa: BLE001 - whatever the code of others makes of an empty weight
            for name, each in part.network.named_parameters():
                each.data = whole[name]
        return part

    def walk(self, features_BFT: Tensor, cuts: Sequence[int], unsure: Callable[[Tensor], Tensor]) -> None:
        """See `Cuttable.walk`; takes one utterance."""

        def leaves(place: int, found: Tensor) -> bool:
            return not unsure(self._channels_first(place, found)).any() or place == self.last

        self._run(features_BFT, cuts, leaves)

    def _run(
        self, features_BFT: Tensor, cuts: Sequence[int], left: Callable[[int, Tensor], bool]
    ) -> None:  # fmt: skip
        """Run until `left`, called with each place and the output of its module, returns True."""
        ended = [] if self.last is None else [self.last]
        try:
            with self._watched([*cuts, *ended], left):
                (output,) = tensors(self.network(features_BFT))
        except _LeftError:
            return
        if self.last is None:
            left(len(self.places), output)

    @contextmanager
    def _watched(self, cuts: Sequence[int], left: Callable[[int, Tensor], bool]) -> Iterator[None]:
        # for one pass only: copies, state and other callers of the network never see a hook
        handles = []
        ran: set[int] = set()

        def hook(cut: int) -> Callable[[nn.Module, Any, Any], None]:
            def read(module: nn.Module, given: Any, result: Any) -> None:
                place = self.places[cut - 1]
                if cut in ran:
                    raise InputError(f"cut {cut}: `{place.module}` ran twice in one pass; run it once")
                ran.add(cut)
                (found,) = tensors(result)
                if left(cut, found.clone() if place.altered else found):
                    raise _LeftError

            return read

        try:
            for cut in cuts:
                module = self.network.get_submodule(self.places[cut - 1].module)
                handles.append(module.register_forward_hook(hook(cut)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _channels_first(self, place: int, found: Tensor) -> Tensor:
        return found.movedim(self.places[place - 1].channel_axis, 1)


def spread_cuts(trace: Trace) -> tuple[int, ...]:
    """Return up to three cuts that divide the multiply-adds of a forward pass most evenly."""
    shares = [cut.macs / trace.output.macs for cut in trace.cuts]
    targets = [quarter / _PUBLISHED_EXITS for quarter in range(1, _PUBLISHED_EXITS)]
    nearest = {
        min(range(len(shares)), key=lambda place: abs(shares[place] - target)) + 1
        for target in targets
        if shares
    }
    return tuple(sorted(nearest))
