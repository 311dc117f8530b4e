"""Section: where the networks were cut, and the metric of the trials with a cut at each position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tuner.journal.record import State, TrialRecord
from tuner.report.elements import Figure, Section, Table
from tuner.results.study_folder import StudyFolder


def section(search: StudyFolder, best: TrialRecord | None) -> Section | None:
    """Return a figure and a table per dimension of cuts; None without such a dimension."""
    paths = [path for path, dimension in search.study.search.items() if "cuts" in dimension.to_dict()]
    if not paths:
        return None
    numbers, tables, figures = {}, [], []
    for path in paths:
        positions = search.study.search[path].to_dict()["cuts"]["positions"]
        trials = [
            t
            for t in search.trials
            if t.state is State.COMPLETE and path in t.params and math.isfinite(t.value)
        ]
        rows = by_place(trials, path, positions)
        numbers[path] = rows
        columns = ["cut", "trials with it", "median", "trials without it", "median", "difference"]
        keys = ("cut", "with", "median_with", "without", "median_without", "difference")
        tables.append(
            Table(columns, [[row[key] for key in keys] for row in rows], f"{path}: complete trials only.")
        )
        figures.append(_figure(search, path, trials, rows, best))
    text = [
        "A cut lies between two blocks. Most configurations have several cuts, so the medians describe the"
        " trials that were run, not the effect of a single cut."
    ]
    return Section("cuts", "Where the network was cut", text, numbers, tables, figures)


def by_place(trials: Sequence[TrialRecord], path: str, positions: int) -> list[dict[str, Any]]:
    """Return, per position, the number of trials with and without a cut there, and their median metric."""
    rows = []
    for cut in range(1, positions + 1):
        here = [trial.value for trial in trials if cut in trial.params[path]]
        elsewhere = [trial.value for trial in trials if cut not in trial.params[path]]
        with_it, without = (median(values) if values else math.nan for values in (here, elsewhere))
        rows.append(
            {"cut": cut, "with": len(here), "median_with": with_it, "without": len(elsewhere),
             "median_without": without, "difference": with_it - without}
        )  # fmt: skip
    return rows


def _figure(
    search: StudyFolder, path: str, trials: Sequence[TrialRecord], rows: list[dict[str, Any]],
    best: TrialRecord | None,
) -> Figure:  # fmt: skip
    name = search.study.metric.name

    def draw(axes: Axes) -> None:
        low, high = _ends([trial.value for trial in trials])
        for trial in trials:
            own = best is not None and trial is best
            cuts = trial.params[path]
            shift = ((trial.number * 0.618) % 1 - 0.5) * 0.4
            axes.plot([cut + (0 if own else shift) for cut in cuts], [trial.value] * len(cuts),
                      "D" if own else "o", color="C1" if own else "C0", alpha=1 if own else 0.6,
                      ms=7 if own else 5, zorder=4 if own else 2, ls="")  # fmt: skip
        for row in rows:
            if row["with"]:
                axes.plot([row["cut"] - 0.3, row["cut"] + 0.3], [row["median_with"]] * 2, color="C3", lw=2.5)
        draw_blocks(axes, len(rows) + 1, low, high)

    return Figure(
        f"{name} by position of the cut ({path})",
        "The boxes are the blocks of the network from input (left) to output. Above each position between two"
        " blocks are the trials with a cut there; the bar is their median, diamonds are the best trial.",
        "position of the cut, counted from the input", name, len(trials), draw, height=4.2,
    )  # fmt: skip


def draw_blocks(axes: Axes, blocks: int, low: float, high: float) -> None:
    """Draw a row of boxes below the data; block b lies left of position b."""
    axes.set_ylim(low - 0.28 * (high - low), high + 0.08 * (high - low))
    across = axes.get_xaxis_transform()  # x in positions, y in fractions of the height
    for block in range(1, blocks + 1):
        axes.add_patch(Rectangle((block - 0.9, 0.02), 0.8, 0.11, fill=False, lw=1, transform=across))
        if block < blocks:
            axes.plot([block - 0.1, block + 0.1], [0.075] * 2, lw=1, transform=across, color=_ink(axes))
        name, size = (f"block {block}", "small") if blocks <= 9 else (str(block), "x-small")
        axes.text(block - 0.5, 0.075, name, ha="center", va="center", fontsize=size, transform=across)
    axes.set_xlim(0, blocks)
    axes.set_xticks(range(1, blocks))
    room = 0.05 * (high - low)
    axes.set_yticks([tick for tick in axes.get_yticks() if low - room <= tick <= high + room])


def _ink(axes: Axes) -> Any:
    return axes.xaxis.label.get_color()


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1))
