"""Plot of an ablation: every run, and every difference with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tuner.statistics import Comparison, Values

_SHOWN, _NOT_SHOWN = "tab:blue", "0.55"


def draw(values: Values, compared: Sequence[Comparison], metric: str, path: Path) -> None:
    """Write a PNG: runs per arm on the left, joined by seed; differences with intervals on the right."""
    figure = Figure(figsize=(11, 1.6 + 0.42 * max(len(values), len(compared))), layout="constrained")
    FigureCanvasAgg(figure)
    runs, differences = figure.subplots(1, 2, width_ratios=[1, 1.25])
    _runs(runs, values, metric)
    _differences(differences, compared, metric)
    figure.savefig(path, dpi=130)


def _runs(axes: Axes, values: Values, metric: str) -> None:
    arms = list(values)
    for seed in sorted({seed for runs in values.values() for seed in runs}):
        rows = [row for row, arm in enumerate(arms) if seed in values[arm]]
        axes.plot([values[arms[row]][seed] for row in rows], rows, "-o", ms=4, lw=0.8, label=f"seed {seed}")
    axes.set_yticks(range(len(arms)), arms)
    axes.invert_yaxis()
    axes.set_xlabel(metric)
    axes.legend(fontsize="small", frameon=False)


def _differences(axes: Axes, compared: Sequence[Comparison], metric: str) -> None:
    axes.axvline(0, color="black", lw=0.8)
    for row, each in enumerate(compared):
        colour = _SHOWN if each.shown else _NOT_SHOWN
        axes.plot(list(each.differences.values()), [row] * len(each.differences), "x", color=colour, ms=6)
        if math.isfinite(each.low):
            reach = [[each.mean - each.low], [each.high - each.mean]]
            axes.errorbar([each.mean], [row], xerr=reach, fmt="o", color=colour, capsize=4)
    axes.set_yticks(range(len(compared)), [f"{each.arm}\nless {each.against}" for each in compared])
    axes.tick_params(axis="y", labelsize="small")
    axes.invert_yaxis()
    axes.set_xlabel(f"difference of {metric}, 95 % interval\ngrey: no difference shown; x: one seed")
