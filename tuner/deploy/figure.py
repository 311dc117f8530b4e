"""Plot of error against average cost: early exit by confidence, and each exit alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tuner.deploy.models import Deployable


def draw(curve: Sequence[Mapping[str, Any]], models: Sequence[Deployable], path: Path) -> None:
    """Write a PNG.

    Args:
        curve: from `trade_off`.
        models: models of the same trial.
        path: PNG file.
    """
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(
        [row["multiply_adds"] / 1e6 for row in curve], [row["error"] for row in curve], "-o", ms=4,
        label="early exit, by confidence",
    )  # fmt: skip
    for row in curve:
        place = row["multiply_adds"] / 1e6, row["error"]
        axes.annotate(
            f"{row['confidence']:.3g}", place, (4, 4), textcoords="offset points", fontsize="x-small"
        )
    for model in models:
        axes.plot(model.multiply_adds / 1e6, model.error, "s", ms=6, label=model.name)
    axes.set_xlabel("multiply-adds per utterance, millions (early exit: average)")
    axes.set_ylabel(f"error ({models[-1].metric if len(models) == 1 else 'dev'})")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small", frameon=False)
    figure.savefig(path, dpi=130)
