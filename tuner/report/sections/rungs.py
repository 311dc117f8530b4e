"""Section: rungs of the scheduler, and whether ranks at one predict the ranks at the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from tuner.controller.replay import replay_to
from tuner.journal.record import StudyRecord
from tuner.report.elements import Figure, Section, Table
from tuner.results.study_folder import StudyFolder
from tuner.schedulers.factory import build_scheduler

TITLE = "Do early ranks predict later ones?"
Rows = Sequence[Mapping[str, Any]]


def measured(search: StudyFolder) -> Rows:
    """Return the scheduler's diagnostics, by replaying the journal to a new scheduler as a resume does."""
    scheduler, record = build_scheduler(search.study), StudyRecord(search.study.metric.name)
    for event in search.events:
        record.apply(event)
        if event.trial is not None:
            replay_to(scheduler, record.trials[event.trial], event)
    return scheduler.diagnostics()


def section(search: StudyFolder, rows: Rows) -> Section:
    """Return the section with a table and a plot of the rungs."""
    name, unit = search.study.scheduler.name, search.study.report_unit
    if not rows:
        return Section("rungs", TITLE, [f"The scheduler `{name}` has no rungs to measure."], {"rungs": []})
    columns = [unit, "trials", "stopped here", "pairs", "rank correlation with the next", "stops trials"]
    keys = ("rung", "trials", "stopped", "pairs", "correlation", "active")
    body = [[row[key] for key in keys] for row in rows]
    known = [row for row in rows if row["correlation"] is not None]
    text = [
        "A rung stops the right trials only where its ranks predict later ones: +1 is full agreement, 0 none."
        " The correlation is measured on trials that the rung let pass, so it is lower than among all trials."
    ]
    if search.study.scheduler.name == "asha":
        text.append(f"Below {search.study.scheduler.min_rank_correlation:g} a rung stops no trial.")

    def draw(axes: Axes) -> None:
        axes.axhline(0, color=axes.xaxis.label.get_color(), lw=0.8)
        if search.study.scheduler.min_rank_correlation > -1:
            axes.axhline(search.study.scheduler.min_rank_correlation, color="C3", ls=":", lw=1)
        axes.plot([row["rung"] for row in known], [row["correlation"] for row in known], "o-", color="C0")
        for row in known:
            axes.annotate(f"{row['pairs']} pairs", (row["rung"], row["correlation"]), xytext=(6, 6),
                          textcoords="offset points", fontsize="small")  # fmt: skip
        axes.set_ylim(-1.1, 1.2)

    figure = Figure(
        "Rank correlation of each rung with the next",
        "Higher is better; below the dotted line a rung is not trusted.",
        f"rung ({unit})", "Spearman's rank correlation", len(known), draw, height=3.0,
    )  # fmt: skip
    return Section("rungs", TITLE, text, {"rungs": rows}, [Table(columns, body)], [figure])
