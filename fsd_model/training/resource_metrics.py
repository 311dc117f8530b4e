"""Metrics of resources: latency, memory and time; part of every report.

Shapes: B utterances, F rows and T frames of the front end.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor, nn

TIME, LATENCY, MEMORY = "time/epoch_s", "deployed/latency_ms", "memory/peak_bytes"
MEASURED = (TIME, LATENCY, MEMORY)
"""Measured on the machine, by wall clock or from the system: another run with the same seed has others.

Those of single exits are measured too, see `is_measured`.
"""

PARAMETERS, MULTIPLY_ADDS = "deployed/parameters", "deployed/multiply_adds"
RESOURCE_METRICS = (PARAMETERS, MULTIPLY_ADDS, LATENCY, MEMORY)
"""What every report holds for constraints and further objectives, whatever a trial is judged by."""

_RUNS, _WARM_UP = 9, 2


def is_measured(name: str) -> bool:
    """Return whether a metric is measured by clock or system, and so differs in every run."""
    return name in MEASURED or name.endswith("/latency_ms")


def latency_ms(network: nn.Module, features_FT: Tensor, device: torch.device) -> float:
    """Return the median wall-clock time of a forward pass of one utterance in float32, milliseconds.

    Args:
        network: the deployed network, on the device, in eval mode.
        features_FT: features of any utterance; the front end is not timed.
        device: device of the training.
    """
    (found,) = latencies_ms([network], features_FT, device)
    return found


def latencies_ms(networks: Sequence[nn.Module], features_FT: Tensor, device: torch.device) -> list[float]:
    """Return `latency_ms` of several networks, interleaved, so that other load affects all equally."""
    features_BFT = features_FT[None].to(device)
    seconds: list[list[float]] = [[] for _ in networks]
    with torch.inference_mode():
        for _ in range(_WARM_UP + _RUNS):
            for network, own in zip(networks, seconds, strict=True):
                began = time.perf_counter()
                network(features_BFT)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                own.append(time.perf_counter() - began)
    return [1e3 * median(own[_WARM_UP:]) for own in seconds]


def peak_bytes(device: torch.device) -> float:
    """Return the peak memory so far: on a GPU what torch has reserved since the training began.

    On the CPU the peak resident set of the process, which includes earlier trials in that process.
    """
    if device.type == "cuda":
        return float(torch.cuda.max_memory_reserved(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)  # Linux counts in KiB
