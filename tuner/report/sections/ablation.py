"""Section: the arms of `fsd-tuner ablate` that were run in the study folder."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from tuner.journal.record import State
from tuner.report.elements import Figure, Section, Table
from tuner.results.study_folder import StudyFolder
from tuner.statistics import Comparison, Values, with_controls

FOLDER = "ablation"


def section(runs: StudyFolder | None) -> Section:
    """Return the runs of each arm and their paired differences.

    Args:
        runs: the ablation, or None.
    """
    title = "Ablation"
    if runs is None:
        command = "`fsd-tuner ablate DIR/best.yaml` trains the arms into DIR/ablation"
        return Section("ablation", title, [f"No ablation was run: {command}."], {"runs": 0})
    metric, values = runs.study.metric, by_arm(runs)
    if len(values) < 2:
        return Section("ablation", title, ["Fewer than two arms have begun."], {"runs": len(runs.trials)})
    compared = with_controls(values)
    arms = [[arm, len(of), *_moments(list(of.values()))] for arm, of in values.items()]
    rows = [
        [f"{each.arm} minus {each.against}", len(each.differences), each.mean, _span(each),
         each.verdict(metric.mode)]
        for each in compared
    ]  # fmt: skip
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
        "The best configuration with parts of the method removed; every arm has the same seeds. State:"
        f" {runs.state}."
    ]
    figures = [_arms(metric.name, values), _differences(metric.name, compared)]
    return Section("ablation", title, text, numbers, tables, figures)


def by_arm(runs: StudyFolder) -> dict[str, dict[int, float]]:
    """Return arm -> seed -> metric of the complete runs, the arms in order."""
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

    reading = "Each dot is a run; a line joins the runs with the same seed."
    points = sum(map(len, values.values()))
    return Figure("Ablation, run by run", reading, name, "arm", points, draw, 1.4 + 0.4 * len(arms))


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
        axes.set_yticks(range(len(compared)), [f"{each.arm}\nminus {each.against}" for each in compared])
        axes.set_ylim(len(compared) - 0.5, -0.5)

    return Figure(
        "Differences between the arms",
        "A dot with its bar is the mean difference with its 95 % interval, a cross is one seed. Pale: the"
        " interval contains 0, so no difference is shown.",
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
