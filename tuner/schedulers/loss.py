"""The metric by which schedulers rank trials, turned so that lower is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tuner.study.study import Study


@dataclass(frozen=True)
class Loss:
    """Reads one metric of a report.

    Args:
        name: the metric's name.
        sign: 1 where lower is better, -1 where higher is better.
    """

    name: str
    sign: float

    def of(self, metrics: Mapping[str, float]) -> float | None:
        """Return the metric, lower is better; None where it is missing or not finite."""
        value = metrics.get(self.name, math.nan)
        return self.sign * value if math.isfinite(value) else None


def loss_of(study: Study, name: str | None = None) -> Loss:
    """Return the loss for the study's metric, or for another one that is better in the same direction."""
    return Loss(name or study.metric.name, 1.0 if study.metric.mode == "min" else -1.0)


def spared(study: Study) -> int | None:
    """Return the number of the default's trial, which is never stopped or cloned; None without a default."""
    return 0 if study.default is not None else None
