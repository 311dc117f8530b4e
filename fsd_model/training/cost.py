"""Counted costs: multiply-adds, and an estimate that orders configurations by the time of an epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import add

import torch
from torch import nn

from fsd_model.augmentation.timing import augmentation_ms
from fsd_model.detector.detector import empty_network
from fsd_model.detector.exit_networks import deploy_exits
from fsd_model.features.front_end import FeatureConfig, feature_shape
from fsd_model.networks.adapters import AdapterKind
from fsd_model.networks.build import Network, build_network, random_state_kept, read_network
from fsd_model.networks.forward_graph import Dataflow
from fsd_model.networks.multi_exit import Cuts, MultiExitNetwork
from fsd_model.training.config import TrainConfig

_UTTERANCES = 2  # a network that squeezes its output may fail on a single one

BACKWARD = 2.0
"""Work of a backward pass over that of the forward pass."""
UPDATE = 24.0
"""Work of Adam with AMSGrad for one parameter, as multiply-adds."""
MACS_PER_MS = 2.5e7
"""Multiply-adds in a millisecond of one core, to bring augmentation to the same unit.

Measured: 18 to 34 million over twelve configurations, on a busy machine.
"""


def multiply_adds(network: nn.Module, feature: FeatureConfig) -> int:
    """Count the multiply-adds of one utterance: convolutions, matrix products, attention and LSTMs.

    Args:
        network: takes features (B, F, T), on the CPU; set to eval mode.
        feature: the front end.
    """
    noise = torch.Generator().manual_seed(0)
    features_BFT = torch.randn(_UTTERANCES, *feature_shape(feature), generator=noise)
    with Dataflow() as flow, torch.no_grad():
        network.eval()(features_BFT)
    return sum(flow.macs) // _UTTERANCES


def deployed_multiply_adds(config: TrainConfig) -> int:
    """Return the multiply-adds of one utterance in the deployed network; raises as `build_network`."""
    return _deployed(_key(config))


@dataclass(frozen=True)
class ExitMultiplyAdds:
    """Multiply-adds of one utterance by exit, shallowest first.

    Attributes:
        alone: of the network deployed with that exit.
        passing: with the exits before it computed, too, as for an utterance that leaves there; the last is
            the cost of the mean of all exits.
    """

    alone: tuple[int, ...]
    passing: tuple[int, ...]


def exit_multiply_adds(config: TrainConfig) -> ExitMultiplyAdds:
    """Return the cost of each exit of a training once deployed; raises as `build_network`."""
    return _exits(_key(config), config.resolved_cuts)


def epoch_cost(config: TrainConfig) -> float:
    """Estimate the cost of an epoch, to order configurations; raises as `build_network`.

    Multiply-adds per training utterance: forward and backward through the network with all its
    exits and adapters, for both views where there are two; the pass of a moving-average teacher; the
    utterance's share of the optimiser's work, which smaller batches do more often; and augmentation by its
    measured time (docs/augmentation.md). Data and machine do not enter, so estimates of different front ends
    or devices compare less well than those within one study.
    """
    macs, parameters = _trained(_key(config), config.resolved_cuts, config.distill.needed_adapter)
    views = 2 if config.augment.two_view else 1
    passes = views * (1 + BACKWARD) + (config.distill.teacher == "ema")
    update = UPDATE * parameters / config.batch_size
    threads = config.runtime.threads
    augmentation = augmentation_ms(config.augment, config.feature) * MACS_PER_MS / threads
    return passes * macs + update + augmentation


def _key(config: TrainConfig) -> str:
    named = {"network": config.network.model_dump(mode="json"), "feature": config.feature.model_dump()}
    return json.dumps(named, sort_keys=True)


def _read(key: str) -> tuple[Network, FeatureConfig]:
    named = json.loads(key)
    return read_network(named["network"]), FeatureConfig.model_validate(named["feature"])


@lru_cache(maxsize=256)
def _deployed(key: str) -> int:
    network, feature = _read(key)
    with random_state_kept():
        return multiply_adds(empty_network(network, feature), feature)


@lru_cache(maxsize=1024)
def _exits(key: str, cuts: Cuts) -> ExitMultiplyAdds:
    network, feature = _read(key)
    with random_state_kept():
        split = MultiExitNetwork(build_network(network, feature), cuts, None)
        numbers = range(1, len(split.exits) + 1)
        alone = [multiply_adds(deploy_exits(split, [number]), feature) for number in numbers]
    before = accumulate((each.weight.numel() for each in split.classifiers[:-1]), initial=0)
    return ExitMultiplyAdds(tuple(alone), tuple(map(add, alone, before)))


@lru_cache(maxsize=1024)
def _trained(key: str, cuts: Cuts, adapter: AdapterKind | None) -> tuple[int, int]:
    network, feature = _read(key)
    with random_state_kept():
        split = MultiExitNetwork(build_network(network, feature), cuts, adapter)
        return multiply_adds(split, feature), sum(p.numel() for p in split.parameters())
