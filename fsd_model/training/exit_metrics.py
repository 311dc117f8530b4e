"""Metrics of each exit as a detector, by number of the exit; part of every report.

`exit1/..` is the shallowest; places behind the deepest exit repeat it, so that all trainings of a network
have the same metrics, whatever the number of cuts. `ensemble/..` is the mean of all exits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from fsd_model.detector.exit_networks import deploy_exits
from fsd_model.features.feature_set import FeatureSet
from fsd_model.networks.multi_exit import MultiExitNetwork, deploy
from fsd_model.training.config import TrainConfig
from fsd_model.training.cost import deployed_multiply_adds, exit_multiply_adds
from fsd_model.training.resource_metrics import LATENCY, MULTIPLY_ADDS, PARAMETERS, latencies_ms
from fsd_model.training.validation import DevResult

ENSEMBLE = "ensemble"
_FIGURES = tuple(name.partition("/")[2] for name in (PARAMETERS, MULTIPLY_ADDS, LATENCY))


def exit_name(number: int) -> str:
    """Return the name of an exit in metrics, such as `exit2`."""
    return f"exit{number}"


def best_eer_of(name: str) -> str:
    """Return the name of the metric with the dev EER, at the best epoch, of `exit2` or `ensemble`."""
    return f"dev/eer_best_{name}"


def metric_names_of(name: str) -> dict[str, str]:
    """Return the metric names of `exit2` or `ensemble` by quantity: parameters, multiply_adds, ..."""
    return {figure: f"{name}/{figure}" for figure in _FIGURES}


def exit_names(blocks: int) -> list[str]:
    """Return the names of all exits of a network with that many blocks: `exit1`, ..., `ensemble`."""
    return [*map(exit_name, range(1, blocks + 1)), ENSEMBLE]


def exit_metric_names(blocks: int) -> list[str]:
    """Return the names of all metrics of exits, as in `deployed_metrics`."""
    return [metric for name in exit_names(blocks) for metric in metric_names_of(name).values()]


def deployed_metrics(
    network: MultiExitNetwork, config: TrainConfig, dev: FeatureSet, device: torch.device
) -> dict[str, float]:
    """Measure parameters, multiply-adds and latency of the deployed network, of each exit and of their mean.

    Args:
        network: on the device, in eval mode.
        config: the training.
        dev: its first utterance is timed.
        device: device of the training.
    """
    count, features_FT = len(network.exits), torch.from_numpy(dev.features(np.arange(1))[0])
    every: list[nn.Module] = [deploy_exits(network, [number]).eval() for number in range(1, count)]
    every += [deploy(network).eval(), deploy_exits(network, range(1, count + 1)).eval()]
    counted = exit_multiply_adds(config)
    macs = [*counted.alone[:-1], deployed_multiply_adds(config), counted.passing[-1]]
    times = latencies_ms(every if count > 1 else every[:1], features_FT, device)
    times = times if count > 1 else 2 * times  # the mean of one exit is that exit
    *exits, mean = zip(map(_parameters, every), map(float, macs), times, strict=True)
    found = dict(zip((PARAMETERS, MULTIPLY_ADDS, LATENCY), exits[-1], strict=True))
    for number in range(1, config.blocks + 1):
        found |= _named(exit_name(number), exits[min(number, count) - 1])
    return found | _named(ENSEMBLE, mean)


def best_eers(best: DevResult, blocks: int) -> dict[str, float]:
    """Return the dev EER of each exit and of their mean, at the best epoch."""
    found = {best_eer_of(exit_name(n)): rate for n, rate in enumerate(best.padded_exits(blocks), start=1)}
    mean = {} if best.ensemble is None else {best_eer_of(ENSEMBLE): best.ensemble}
    return found | mean


def _parameters(network: nn.Module) -> float:
    return float(sum(each.numel() for each in network.parameters()))


def _named(name: str, values: Sequence[float]) -> dict[str, float]:
    return dict(zip(metric_names_of(name).values(), values, strict=True))
