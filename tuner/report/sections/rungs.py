"""Whether early ranks told the later ones: what the scheduler measured at its rungs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from tuner.journal.event import Event, EventKind
from tuner.journal.record import State, StudyRecord
from tuner.report.elements import Figure, Section, Table
from tuner.results.study_folder import StudyFolder
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.scheduler import CONTINUE, Action, Decision, Scheduler

Rows = Sequence[Mapping[str, Any]]


def measured(search: StudyFolder) -> Rows:
    """The scheduler's findings: a new one is told the journal once more."""
    rule, record = build_scheduler(search.study), StudyRecord(search.study.metric.name)
    for event in search.events:
        record.apply(event)
        if event.trial is not None:
            _tell(rule, event.trial, event, record)
    return rule.diagnostics()


def section(search: StudyFolder, rows: Rows) -> Section:
    """A table and a figure of the rungs."""
    name, unit = search.study.scheduler.name, search.study.report_unit
    if not rows:
        said = f"The scheduler `{name}` has no rungs to measure."
        return Section("rungs", "Did early ranks tell the later ones?", [said], {"rungs": []})
    columns = [unit, "trials", "stopped here", "pairs", "rank correlation with the next", "stops trials"]
    keys = ("rung", "trials", "stopped", "pairs", "correlation", "active")
    body = [[row[key] for key in keys] for row in rows]
    known = [row for row in rows if row["correlation"] is not None]
    text = [
        "A rung stops trials well only where ranks there tell the ranks later: +1 is full agreement, 0 none."
        " It is measured on trials that were let pass, which makes it lower than among all."
    ]
    if search.study.scheduler.name == "asha":
        text.append(f"Below {search.study.scheduler.min_rank_correlation:g} a rung stops nobody any more.")

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
    title = "Did early ranks tell the later ones?"
    return Section("rungs", title, text, {"rungs": rows}, [Table(columns, body)], [figure])


def _tell(rule: Scheduler, number: int, event: Event, record: StudyRecord) -> None:
    trial = record.trials[number]
    if event.kind is EventKind.TRIAL_STARTED:
        rule.begin(number, trial.params)
    elif event.kind is EventKind.TRIAL_REPORTED:
        rule.report(number, trial.epoch, trial.metrics)
    elif event.kind is EventKind.TRIAL_RESUMED:
        rule.resumed(number, _decision(event))
    elif event.kind is EventKind.TRIAL_ENDED and trial.state is not State.INTERRUPTED:
        rule.end(number, trial.state)


def _decision(event: Event) -> Decision:
    if event["donor"] is None:
        return CONTINUE
    return Decision(Action.CLONE, event["reason"], event["donor"], event["params"])
