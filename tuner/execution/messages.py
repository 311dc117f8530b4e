"""Reports of attempts: the keys of a report on its way to the driver, and a check of its metrics."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

from tuner.errors import nearest

METRICS = "metrics"  # name -> value
EPOCH = "epoch"  # number of the trial's report, from 1 over all attempts
CHECKPOINT = "checkpoint_name"  # of the state saved with it, or None
CAUSE, TRACEBACK = "cause", "traceback"  # of a failed attempt


def check_metrics(metrics: Mapping[str, Any], metric: str) -> dict[str, float]:
    """Return one report's metrics as plain floats.

    Args:
        metrics: name -> number, as a trial function reports them; NaN and inf are allowed.
        metric: the study's metric, which must be among them.
    Raises:
        ValueError: the study's metric is missing.
        TypeError: a value is no number.
    """
    if metric not in metrics:
        raise ValueError(f"the trial did not report the study's metric {metric}; {nearest(metric, metrics)}")
    for name, value in metrics.items():
        if not isinstance(value, numbers.Real):
            raise TypeError(f"the metric {name} needs a number, got {value!r}")
    return {str(name): float(value) for name, value in metrics.items()}
