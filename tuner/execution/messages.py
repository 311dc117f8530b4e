"""What a trial may report."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

from tuner.errors import nearest

VALUE, METRICS = "value", "metrics"  # keys of a report to Ray: the study's metric, and all
EPOCH, CHECKPOINT = "epoch", "checkpoint_name"  # reports of the trial so far, and the state saved with it
CAUSE, TRACEBACK = "cause", "traceback"  # of a failed attempt
MEMBER, ASKED = "member", "asked"  # one of several attempts, and the number of a question
OVER, FREE = "over", "free"  # of a stack: the end of a member, free places


def checked(metrics: Mapping[str, Any], metric: str) -> dict[str, float]:
    """One epoch's metrics as plain floats.

    Args:
        metrics: name -> number, as a trial function reports them; NaN and inf are allowed here.
        metric: the study's metric, which must be among them.
    Raises:
        ValueError: it is not.
        TypeError: a value is no number.
    """
    if metric not in metrics:
        raise ValueError(f"the trial did not report the study's metric {metric}; {nearest(metric, metrics)}")
    for name, value in metrics.items():
        if not isinstance(value, numbers.Real):
            raise TypeError(f"the metric {name} needs a number, got {value!r}")
    return {str(name): float(value) for name, value in metrics.items()}
