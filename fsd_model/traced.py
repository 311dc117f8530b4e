"""A network of one's own with exits on its legal cuts: its `forward` stays as it is, hooks read the maps.

Shapes: B utterances, C channels, F rows and T frames of the front end; x any axes behind the channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from fsd_model.dataflow import tensors
from fsd_model.errors import InputError
from fsd_model.exits import MapShape
from fsd_model.tracing import Point, Trace

_PUBLISHED_EXITS = 4


class TracedNetwork(nn.Module):
    """What `split` cuts, made of any module and its trace.

    Args:
        network: takes features (B, F, T), gives one tensor.
        trace: of this network.

    Attributes:
        shapes: of the map at each place: behind every legal cut, then the output.
    """

    def __init__(self, network: nn.Module, trace: Trace) -> None:
        super().__init__()
        self.network = network
        self.places = (*trace.cuts, trace.output)
        self.shapes = tuple(MapShape(place.shape[0], len(place.shape) - 1) for place in self.places)

    def maps(self, features_BFT: Tensor, cuts: Sequence[int]) -> list[Tensor]:
        """Run the whole network; maps (B, C, x) behind the cuts, then the deepest.

        Raises:
            InputError: in this pass the module at a cut did not run, or ran more than once.
        """
        found: dict[int, Tensor] = {}
        with self._reading(found, cuts):
            (deepest,) = tensors(self.network(features_BFT))
        for cut in cuts:
            if cut not in found:
                name = self.places[cut - 1].module
                raise InputError(
                    f"cut {cut}: `{name}` did not run in this pass; switch off what drops layers at random"
                )
        found[len(self.places)] = deepest
        return [found[number].movedim(self.places[number - 1].channel_axis, 1) for number in sorted(found)]

    @contextmanager
    def _reading(self, found: dict[int, Tensor], cuts: Sequence[int]) -> Iterator[None]:
        # for one pass only: copies, state and other callers of the network never see a hook
        handles = []
        try:
            for cut in cuts:
                place = self.places[cut - 1]
                module = self.network.get_submodule(place.module)
                handles.append(module.register_forward_hook(_reader(found, cut, place)))
            yield
        finally:
            for handle in handles:
                handle.remove()


def spread_cuts(trace: Trace) -> tuple[int, ...]:
    """Up to three cuts that divide the cost of a forward most evenly: what `cuts: null` means."""
    shares = [cut.macs / trace.output.macs for cut in trace.cuts]
    targets = [quarter / _PUBLISHED_EXITS for quarter in range(1, _PUBLISHED_EXITS)]
    nearest = {
        min(range(len(shares)), key=lambda place: abs(shares[place] - target)) + 1
        for target in targets
        if shares
    }
    return tuple(sorted(nearest))


def _reader(found: dict[int, Tensor], cut: int, place: Point) -> Callable[[nn.Module, Any, Any], None]:
    def read(module: nn.Module, given: Any, result: Any) -> None:
        if cut in found:
            raise InputError(f"cut {cut}: `{place.module}` ran twice in one pass; run it once")
        (map_BCx,) = tensors(result)
        found[cut] = map_BCx.clone() if place.altered else map_BCx

    return read
