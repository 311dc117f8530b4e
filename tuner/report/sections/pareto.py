"""Section: the Pareto set of a search with several objectives."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from tuner.journal.record import State
from tuner.report.elements import Figure, Section, Table, configuration_text
from tuner.results.selection import pareto
from tuner.results.study_folder import StudyFolder


def section(search: StudyFolder) -> Section | None:
    """Return the trials that no other trial dominates; None with one objective."""
    study = search.study
    if not study.objectives:
        return None
    names = [goal.name for goal in study.all_objectives]
    front = pareto(search.trials, study.all_objectives, study.constraints)
    rows = [
        [trial.number, *(trial.metrics[name] for name in names), configuration_text(trial.params)]
        for trial in front
    ]
    numbers = {
        "goals": {goal.name: goal.mode for goal in study.all_objectives},
        "trials": [
            {"trial": t.number, "values": {name: t.metrics[name] for name in names}, "params": t.params}
            for t in front
        ],
    }
    goals = ", ".join(f"{goal.name}: {goal.mode}" for goal in study.all_objectives)
    text = [
        f"Objectives: {goals}. No trial is at least as good as one of these {len(front)} in all objectives"
        " and better in one. One run each: between trials that differ by less than seeds do, it is luck."
    ]
    tables = [Table(["trial", *names, "configuration"], rows)]
    figures = [_figure(search, names[0], name, [t.number for t in front]) for name in names[1:]]
    return Section("pareto", "Trade-offs between the objectives", text, numbers, tables, figures)


def _figure(search: StudyFolder, first: str, second: str, front: list[int]) -> Figure:
    rows = [
        (t.number, t.metrics.get(second, math.nan), t.metrics.get(first, math.nan))
        for t in search.trials
        if t.state is State.COMPLETE
    ]
    rows = [row for row in rows if math.isfinite(row[1]) and math.isfinite(row[2])]

    def draw(axes: Axes) -> None:
        axes.plot([x for _, x, _ in rows], [y for _, _, y in rows], "o", color="C0", alpha=0.5)
        best = sorted((x, y, number) for number, x, y in rows if number in front)
        axes.plot([x for x, _, _ in best], [y for _, y, _ in best], "D", color="C1", ms=7)
        for x, y, number in best:
            axes.annotate(str(number), (x, y), xytext=(6, 5), textcoords="offset points", fontsize="small")

    return Figure(
        f"{first} against {second}",
        "Each dot is a complete trial; numbered diamonds are the Pareto set.",
        second, first, len(rows), draw,
    )  # fmt: skip
