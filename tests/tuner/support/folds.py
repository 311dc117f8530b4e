"""A trial function that reports three folds of its own difficulty, and says so."""

from __future__ import annotations

import math
from typing import Any

from tuner.trial import Context

DIFFICULTY = (0.1, 0.5, 0.3)


def values(params: dict[str, Any]) -> list[float]:
    """The figure of each fold: its difficulty, the configuration's `loss`, and chance of up to 0.03."""
    loss = params["loss"]
    return [d + loss + 0.03 * math.sin(1000 * loss + 2 * fold) for fold, d in enumerate(DIFFICULTY)]


def run(params: dict[str, Any], context: Context) -> None:
    found = values(params)
    for done in range(1, len(found) + 1):
        mean = sum(found[:done]) / done
        context.report({"mean": mean, "fold": found[done - 1], "tie": params.get("tie", 0.0)})


def describe(params: dict[str, Any]) -> dict[str, Any]:
    return {"reports": len(DIFFICULTY), "metrics": ["mean", "fold", "tie"]}
