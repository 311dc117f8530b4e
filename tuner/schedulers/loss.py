"""What rules rank trials by: one reported metric, turned so that lower is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tuner.study.study import Study


@dataclass(frozen=True)
class Loss:
    """Reads a metric of a report.

    Args:
        name: the metric's.
        sign: 1 where lower is better, -1 where higher is.
    """

    name: str
    sign: float

    def of(self, metrics: Mapping[str, float]) -> float | None:
        """The metric, lower is better; None where it is missing or no finite number."""
        value = metrics.get(self.name, math.nan)
        return self.sign * value if math.isfinite(value) else None

    def shown(self, cost: float) -> str:
        """A cost as the metric's own value, for a line of text."""
        return f"{self.sign * cost:.4g}"


def loss_of(study: Study, name: str | None = None) -> Loss:
    """The study's metric, or another one that is better in the same direction."""
    return Loss(name or study.metric.name, 1.0 if study.metric.mode == "min" else -1.0)


def spared(study: Study) -> int | None:
    """Number of the trial of the study's default, which is never stopped or moved; None without a default."""
    return 0 if study.default is not None else None
