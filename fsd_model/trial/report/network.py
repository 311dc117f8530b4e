"""Report sections of the network: EER by place of the cut, and by exit.

Rates are fractions inside and percent on the axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from fsd_model.networks.attention_resnet import STAGE_CHANNELS, NetworkConfig, stage_ends
from fsd_model.trial.report.reported_trial import ReportedTrial, Section

EER = "dev/eer_best"
_GOLDEN = 0.618  # spreads trials of one place evenly, and the same each time


def network_section(trials: Sequence[ReportedTrial]) -> Section | None:
    """Return the section of EER by cut, drawn on the network; None unless trials of one network differ in
    cuts.
    """
    complete = [trial for trial in trials if trial.complete and EER in trial.metrics]
    shapes = {_blocks(trial) for trial in complete}
    if len(shapes) != 1 or len({trial.config.resolved_cuts for trial in complete}) < 2:
        return None
    rows = by_cut(complete, complete[0].config.blocks)
    network = complete[0].config.network
    what = f"{network.family}{network.depth}" if isinstance(network, NetworkConfig) else network.factory
    figure = {
        "title": "EER by place of the cut, drawn on the network",
        "reading": "The boxes are the network's blocks, shaded by stage, from the input (left) to the"
        " output; above"
        " each place are the trials that cut there, their median as a bar, the winner as diamonds.",
        "x": "cut behind block", "y": "dev EER at the best epoch (%)", "points": len(complete), "height": 4.2,
        "draw": lambda axes: _draw_network(axes, complete, rows),
    }  # fmt: skip
    text = [
        f"{what}, {len(rows) + 1} blocks. Complete trials only; a trial with several cuts is above each of"
        " them."
        " Dev has the attacks of train, so its EER says little about unseen attacks."
    ]
    return {"title": "Split points on the network", "text": text, "numbers": rows, "figures": [figure]}


def by_cut(trials: Sequence[ReportedTrial], blocks: int) -> list[dict[str, Any]]:
    """Return for every legal cut the number of trials with it, and their median and lowest EER."""
    rows = []
    for cut in range(1, blocks):
        rates = [trial.metrics[EER] for trial in trials if cut in trial.config.resolved_cuts]
        summary = (
            {"median": median(rates), "lowest": min(rates)} if rates else {"median": None, "lowest": None}
        )
        rows.append({"cut": cut, "trials": len(rates), **summary})
    return rows


def exit_section(trials: Sequence[ReportedTrial]) -> Section | None:
    """Return the section of EER by exit of the trials with a role; None without reported exits."""
    rows = [(trial, exit_rates(trial)) for trial in trials if trial.role]
    rows = [(trial, rates) for trial, rates in rows if rates]
    if not rows:
        return None
    table = {
        "columns": ["trial", "exit behind block", "dev EER (%)"],
        "rows": [[trial.name, place, f"{100 * rate:.2f}"] for trial, rates in rows for place, rate in rates],
    }
    figure = {
        "title": "EER of each exit",
        "reading": "One line per configuration, one mark per exit; the rightmost mark is the exit that is"
        " deployed.",
        "x": "exit behind block", "y": "dev EER at the last epoch (%)",
        "points": sum(len(rates) for _, rates in rows), "draw": lambda axes: _draw_exits(axes, rows),
    }  # fmt: skip
    numbers = {
        trial.number: [{"block": block, "eer": rate} for block, rate in rates] for trial, rates in rows
    }
    text = [
        "At the last epoch, which need not be the best one. Self-distillation is meant to help every exit."
    ]
    return {"title": "Exits", "text": text, "tables": [table], "numbers": numbers, "figures": [figure]}


def exit_rates(trial: ReportedTrial) -> list[tuple[int, float]]:
    """Return (block before the exit, EER) of each reported exit, shallowest first."""
    places = (*trial.config.resolved_cuts, trial.config.blocks)
    named = [(place, trial.metrics.get(f"dev/eer_exit{exit}")) for exit, place in enumerate(places, 1)]
    return [(place, rate) for place, rate in named if rate is not None]


def _blocks(trial: ReportedTrial) -> tuple[int, ...]:
    """Return the ends of the stages of a built-in network, otherwise the number of blocks."""
    network = trial.config.network
    return stage_ends(network.depth) if isinstance(network, NetworkConfig) else (trial.config.blocks,)


def _draw_network(axes: Axes, trials: Sequence[ReportedTrial], rows: Sequence[dict[str, Any]]) -> None:
    for trial in trials:
        own, cuts = trial.role == "winner", trial.config.resolved_cuts
        shift = 0.0 if own else ((trial.number * _GOLDEN) % 1 - 0.5) * 0.4
        axes.plot(
            [cut + shift for cut in cuts], [100 * trial.metrics[EER]] * len(cuts), "D" if own else "o",
            color="C1" if own else "C0", alpha=1 if own else 0.6, ms=7 if own else 5, zorder=3 if own else 2,
        )  # fmt: skip
    for row in rows:
        if row["trials"]:
            axes.plot([row["cut"] - 0.3, row["cut"] + 0.3], [100 * row["median"]] * 2, color="C3", lw=2.5)
    _draw_blocks(axes, _blocks(trials[0]), [100 * trial.metrics[EER] for trial in trials])


def _draw_blocks(axes: Axes, ends: Sequence[int], rates: Sequence[float]) -> None:
    """Draw the blocks below the data, stage by stage."""
    low, high = min(rates), max(rates)
    room = (high - low) or 1.0
    axes.set_ylim(low - 0.36 * room, high + 0.08 * room)
    across = axes.get_xaxis_transform()  # places along, fractions of the height up
    begin = 0
    for stage, end in enumerate(ends):
        look: dict[str, Any] = {"color": f"C{stage % 6}", "alpha": 0.3, "transform": across}
        for block in range(begin, end):
            axes.add_patch(Rectangle((block + 0.1, 0.02), 0.8, 0.1, **look))
            axes.text(block + 0.5, 0.07, str(block + 1), ha="center", va="center", transform=across)
        if len(ends) > 1:
            name, middle = f"stage {stage + 1}: {STAGE_CHANNELS[stage]} ch.", (begin + end) / 2
            axes.text(middle, 0.145, name, ha="center", fontsize="x-small", transform=across)
        begin = end
    axes.set_xlim(0, begin)
    axes.set_xticks(range(1, begin))
    axes.set_yticks([tick for tick in axes.get_yticks() if low - 0.05 * room <= tick <= high + 0.05 * room])


def _draw_exits(axes: Axes, rows: Sequence[tuple[ReportedTrial, list[tuple[int, float]]]]) -> None:
    for trial, rates in rows:
        places, values = [place for place, _ in rates], [100 * rate for _, rate in rates]
        axes.plot(places, values, "--o" if trial.role == "baseline" else "-o", label=trial.name)
    axes.set_xticks(sorted({place for _, rates in rows for place, _ in rates}))
    axes.legend()
