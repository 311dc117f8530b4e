"""Plots of a set of scores: the DET curve, and the density of each class.

Drawn without pyplot, whose state all threads share.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.det import det_curve
from fsd_model.scores.eer_by_group import per_attack_eer, pooled_eer
from fsd_model.scores.score_file import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95)
_MOST_ATTACKS = 12  # more curves than colours that can be told apart
_BINS = 60


def draw_det(scores: Scores, path: Path) -> None:
    """Draw the DET curve, pooled and for each attack, with the EER of each in percent."""
    from scipy.special import ndtri

    figure, axes = _figure(6.0, 5.4)
    bonafide, attacks = scores.of_class(BONAFIDE), np.asarray(scores.attacks)
    rates = per_attack_eer(scores)
    for attack, eer in rates.items() if len(rates) <= _MOST_ATTACKS else ():
        frr_P, far_P = det_curve(bonafide, scores.values[(scores.labels == SPOOF) & (attacks == attack)])
        axes.plot(ndtri(far_P), ndtri(frr_P), linewidth=1, label=f"{attack}  {100 * eer.rate:.2f} %")
    frr_P, far_P = det_curve(bonafide, scores.of_class(SPOOF))
    label = f"all  {100 * pooled_eer(scores).rate:.2f} %"
    axes.plot(ndtri(far_P), ndtri(frr_P), color="black", linewidth=2, label=label)
    ends = ndtri([_TICKS[0], _TICKS[-1]])
    axes.plot(ends, ends, color="0.8", linewidth=0.8)
    scale_det(axes, _TICKS)
    axes.set(
        xlabel="false alarm (spoof accepted), %",
        ylabel="miss (bona fide rejected), %",
        title="DET on dev, with EER",
    )
    axes.legend(fontsize=8)
    _save(figure, path)


def scale_det(axes: Axes, ticks: Sequence[float], margin: float = 0.0) -> None:
    """Scale both axes of a DET plot for probits of error rates, with ticks in percent.

    Args:
        axes: axes of the plot.
        ticks: error rates in (0, 1), rising; the first and the last bound the plot.
        margin: space below the first tick, in probits.
    """
    from scipy.special import ndtri

    places, names = ndtri(ticks), [f"{100 * tick:g}" for tick in ticks]
    for set_ticks, limit in ((axes.set_xticks, axes.set_xlim), (axes.set_yticks, axes.set_ylim)):
        set_ticks(places, names)
        limit(places[0] - margin, places[-1])


def draw_histogram(scores: Scores, path: Path) -> None:
    """Draw the density of the scores of each class, and the threshold where both error rates meet."""
    figure, axes = _figure(6.0, 4.0)
    edges = np.histogram_bin_edges(scores.values, _BINS).tolist()
    for label, name, colour in ((SPOOF, "spoof", "tab:red"), (BONAFIDE, "bona fide", "tab:blue")):
        values = scores.of_class(label)
        axes.hist(values, edges, density=True, alpha=0.55, color=colour, label=f"{name} ({len(values)})")
    axes.axvline(
        pooled_eer(scores).threshold, color="black", linestyle="--", linewidth=1, label="EER threshold"
    )
    axes.set(xlabel="score (higher = more bona fide)", ylabel="density", title="Scores on dev")
    axes.legend(fontsize=8)
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100, metadata={"Software": None})
