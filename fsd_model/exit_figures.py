"""What each exit of a training would be as a detector: metrics of every report, by the number of the exit.

`exit1/..` is the shallowest; places behind the deepest exit repeat it, so that every run of a network has the
same metrics, however many cuts it has. `ensemble/..` is the mean of all exits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from fsd_model.config import TrainConfig
from fsd_model.cost import deployed_multiply_adds, exit_multiply_adds
from fsd_model.exit_networks import deploy_exits
from fsd_model.machine import LATENCY, MULTIPLY_ADDS, PARAMETERS, latency_ms
from fsd_model.split import SplitNetwork, deploy
from fsd_model.training_data import FeatureSet
from fsd_model.validation import DevResult

ENSEMBLE = "ensemble"
_FIGURES = tuple(name.partition("/")[2] for name in (PARAMETERS, MULTIPLY_ADDS, LATENCY))


def exit_name(number: int) -> str:
    """`exit2`."""
    return f"exit{number}"


def best_eer_of(name: str) -> str:
    """The metric's name for the dev EER, at the best epoch, of `exit2` or `ensemble`."""
    return f"dev/eer_best_{name}"


def figures_of(name: str) -> dict[str, str]:
    """Metrics that hold the figures of `exit2` or `ensemble`, by figure: parameters, multiply_adds, ..."""
    return {figure: f"{name}/{figure}" for figure in _FIGURES}


def exit_metrics(blocks: int) -> list[str]:
    """The names of all metrics of exits in a network of so many blocks, but for `dev/eer_exit1`.."""
    names = [*map(exit_name, range(1, blocks + 1)), ENSEMBLE]
    return [metric for name in names for metric in (best_eer_of(name), *figures_of(name).values())]


def deployed_figures(
    network: SplitNetwork, config: TrainConfig, dev: FeatureSet, device: torch.device
) -> dict[str, float]:
    """Parameters, multiply-adds and latency of the deployed network, of each exit and of their mean.

    Args:
        network: on the device, in eval mode.
        config: of the run.
        dev: the latency is that of its first utterance.
        device: of the run.
    """
    count, features_FT = len(network.exits), torch.from_numpy(dev.features(np.arange(1))[0])
    whole = deploy(network).eval()
    found = {
        PARAMETERS: _parameters(whole),
        MULTIPLY_ADDS: float(deployed_multiply_adds(config)),
        LATENCY: latency_ms(whole, features_FT, device),
    }
    counted = exit_multiply_adds(config)
    for number in range(1, count):
        exit_ = deploy_exits(network, [number]).eval()
        ms = latency_ms(exit_, features_FT, device)
        found |= _named(exit_name(number), (_parameters(exit_), float(counted.alone[number - 1]), ms))
    for number in range(count, config.blocks + 1):
        found |= _named(exit_name(number), (found[PARAMETERS], found[MULTIPLY_ADDS], found[LATENCY]))
    every = deploy_exits(network, range(1, count + 1)).eval()
    ms = found[LATENCY] if count == 1 else latency_ms(every, features_FT, device)
    return found | _named(ENSEMBLE, (_parameters(every), float(counted.passing[-1]), ms))


def best_eers(best: DevResult, blocks: int) -> dict[str, float]:
    """Dev EER of each exit and of their mean, at the best epoch."""
    found = {best_eer_of(exit_name(n)): rate for n, rate in enumerate(best.padded_exits(blocks), start=1)}
    return {**found, best_eer_of(ENSEMBLE): best.ensemble}


def _parameters(network: torch.nn.Module) -> float:
    return float(sum(each.numel() for each in network.parameters()))


def _named(name: str, values: Sequence[float]) -> dict[str, float]:
    return dict(zip(figures_of(name).values(), values, strict=True))
