"""The control arms of `fsd-tuner ablate`, where they were run in the search's folder."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from tuner.journal.record import State
from tuner.report.elements import Figure, Section, Table
from tuner.report.search_data import Searched
from tuner.statistics import Comparison, Values, with_controls

FOLDER = "ablation"


def section(runs: Searched | None) -> Section:
    """Each arm's runs and their paired differences.

    Args:
        runs: the ablation's journal, or None.
    """
    title = "Control arms"
    if runs is None:
        way_in = "`fsd-tuner ablate DIR/best.yaml` trains them into DIR/ablation"
        return Section("controls", title, [f"There are none: {way_in}."], {"runs": 0})
    metric, values = runs.study.metric, by_arm(runs)
    if len(values) < 2:
        return Section("controls", title, ["No two arms have begun yet."], {"runs": len(runs.trials)})
    compared = with_controls(values)
    arms = [[arm, len(of), *_moments(list(of.values()))] for arm, of in values.items()]
    rows = [
        [
            f"{each.arm} less {each.against}",
            len(each.differences),
            each.mean,
            _span(each),
            each.verdict(metric.mode),
        ]
        for each in compared
    ]
    numbers = {
        "state": runs.state, "metric": metric.name, "values": values,
        "differences": [
            {"arm": each.arm, "against": each.against, "mean": each.mean, "interval": _span(each),
             "seeds": len(each.differences), "verdict": each.verdict(metric.mode)}
            for each in compared
        ],
    }  # fmt: skip
    tables = [
        Table(["arm", "runs", f"mean {metric.name}", "standard deviation"], arms),
        Table(
            ["difference", "seeds", "mean", "95 % interval", ""], rows,
            f"Student's t over paired seeds, each at 95 %, not adjusted for {len(compared)} comparisons.",
        ),
    ]  # fmt: skip
    text = [
        f"The best configuration with parts taken away, each arm with the same seeds; state: {runs.state}."
    ]
    figures = [_arms(metric.name, values), _differences(metric.name, compared)]
    return Section("controls", title, text, numbers, tables, figures)


def by_arm(runs: Searched) -> dict[str, dict[int, float]]:
    """Arm -> seed -> metric of the runs that came to their end, the arms in their order."""
    values: dict[str, dict[int, float]] = {str(run.params["arm"]): {} for run in runs.trials}
    for run in runs.trials:
        if run.state is State.COMPLETE and math.isfinite(run.value):
            values[str(run.params["arm"])][run.params["seed"]] = run.value
    return values


def _arms(name: str, values: Values) -> Figure:
    arms = list(values)

    def draw(axes: Axes) -> None:
        for seed in sorted({seed for of in values.values() for seed in of}):
            rows = [row for row, arm in enumerate(arms) if seed in values[arm]]
            axes.plot(
                [values[arms[row]][seed] for row in rows], rows, "-o", ms=4, lw=0.8, label=f"seed {seed}"
            )
        axes.set_yticks(range(len(arms)), arms)
        axes.set_ylim(len(arms) - 0.6, -0.4)
        axes.legend()

    reading = "Each dot is a run, and a line joins the runs of one seed."
    points = sum(map(len, values.values()))
    return Figure("Control arms, run by run", reading, name, "arm", points, draw, 1.4 + 0.4 * len(arms))


def _differences(name: str, compared: Sequence[Comparison]) -> Figure:
    def draw(axes: Axes) -> None:
        axes.axvline(0, color=axes.xaxis.label.get_color(), lw=0.8)
        for row, each in enumerate(compared):
            alpha = 1 if each.shown else 0.4
            axes.plot(
                list(each.differences.values()), [row] * len(each.differences), "x", color="C0", alpha=alpha
            )
            if math.isfinite(each.low):
                reach = [[each.mean - each.low], [each.high - each.mean]]
                axes.errorbar([each.mean], [row], xerr=reach, fmt="o", color="C0", capsize=4, alpha=alpha)
        axes.set_yticks(range(len(compared)), [f"{each.arm}\nless {each.against}" for each in compared])
        axes.set_ylim(len(compared) - 0.5, -0.5)

    return Figure(
        "Differences between control arms",
        "A dot with its bar is the mean difference with its 95 % interval, a cross one seed; pale: the"
        " interval holds 0, so no difference is shown.",
        f"difference of {name}", "comparison", sum(len(each.differences) for each in compared), draw,
        1.4 + 0.5 * len(compared),
    )  # fmt: skip


def _moments(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return math.nan, math.nan
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else math.nan


def _span(each: Comparison) -> list[float] | None:
    return [each.low, each.high] if math.isfinite(each.low) else None
