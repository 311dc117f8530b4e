"""The table of `fsd-tuner cuts`: layers, parameters and cost before each legal cut."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from fsd_model.features.front_end import FeatureConfig, feature_shape
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.networks.build import NetworkFactory, build_network, trace_network, usual_cuts
from fsd_model.networks.cut_points import Point, Trace, trace


@dataclass(frozen=True)
class CutRow:
    """One legal cut, or (cut 0) the network's output.

    Attributes:
        cut: number as in the setting `cuts`.
        module: qualified name of the module whose output it is.
        shape: of the map of one utterance, channels first.
        parameters: up to here.
        macs: multiply-adds for one utterance up to here.
        parameter_share, cost_share: fractions of the whole network.
        usual: whether `cuts: null` contains it.
    """

    cut: int
    module: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    parameter_share: float
    cost_share: float
    usual: bool


def cut_table(network: NetworkConfig | NetworkFactory, feature: FeatureConfig) -> list[CutRow]:
    """List every legal cut, shallowest first, then the output; costs are counted, not timed.

    Raises:
        InputError: a custom network that cannot be built or traced.
    """
    found = (
        _blocks(network, feature) if isinstance(network, NetworkConfig) else trace_network(network, feature)
    )
    usual = usual_cuts(network, feature)

    def row(cut: int, place: Point) -> CutRow:
        shares = place.parameters / max(1, found.output.parameters), place.macs / found.output.macs
        name = place.module if cut else "(output)"
        return CutRow(cut, name, place.shape, place.parameters, place.macs, *shares, usual=cut in usual)

    rows = [row(cut, place) for cut, place in enumerate(found.cuts, start=1)]
    return [*rows, row(0, found.output)]


def _blocks(network: NetworkConfig, feature: FeatureConfig) -> Trace:
    """Keep the cuts behind blocks: the output of the stem of a built-in network is no cut."""
    with torch.random.fork_rng(devices=[]):
        found = trace(build_network(network, feature), *feature_shape(feature))
    return replace(found, cuts=tuple(cut for cut in found.cuts if cut.module != "stem"))
