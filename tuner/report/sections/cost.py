"""Section: time of the search, what stopping trials saved, and the forecast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tuner.forecast.run import forecast_seconds
from tuner.journal.event import EventKind
from tuner.journal.record import State, TrialRecord
from tuner.report.elements import Figure, Section, Table
from tuner.report.sections.finalists import FinalistsData
from tuner.results.study_folder import StudyFolder
from tuner.text import HOUR_S, duration


@dataclass(frozen=True)
class Saved:
    """Reports and time saved by stopping trials.

    Attributes:
        reports: reports that the stopped trials did not make.
        seconds: time of these reports, each trial at its own pace.
    """

    reports: int
    seconds: float


def section(search: StudyFolder, race: FinalistsData | None) -> Section:
    """Return hours, time per trial, time saved, forecast."""
    spent, busy = search.spent, [trial.seconds for trial in search.trials if trial.seconds > 0]
    saved, forecast = saved_by_stopping(search), forecast_seconds(search.folder)
    finals = race.runs.spent if race is not None else None
    wall_s = (spent.wall_hours + (finals.wall_hours if finals else 0.0)) * HOUR_S
    gpu_hours = spent.gpu_hours + (finals.gpu_hours if finals else 0.0)
    numbers = {
        "wall_hours": wall_s / HOUR_S, "gpu_hours": gpu_hours,
        "finalists": finals and {"wall_hours": finals.wall_hours, "gpu_hours": finals.gpu_hours},
        "budget": search.study.budget.model_dump(), "sessions": _sessions(search),
        "trial_seconds": {trial.number: trial.seconds for trial in search.trials},
        "saved_by_stopping": {"reports": saved.reports, "seconds": saved.seconds},
        "forecast_seconds": forecast,
    }  # fmt: skip
    rows: list[list[Any]] = [
        ["wall time, all sessions", duration(wall_s)],
        ["sessions", numbers["sessions"]],
        ["GPU time", f"{gpu_hours:.3g} GPU hours"],
        ["time of all trials together", duration(sum(busy))],
        ["median time per trial", duration(median(busy)) if busy else None],
        ["reports saved by stopping trials", saved.reports],
        ["trial time saved by stopping", duration(saved.seconds)],
    ]
    if finals is not None:
        rows.insert(1, ["of which the finalists", duration(finals.wall_hours * HOUR_S)])
    text = [*_budget(search), *_compared(search, forecast, wall_s)]
    return Section("cost", "Cost", text, numbers, [Table(["quantity", "value"], rows)], [_figure(search)])


def saved_by_stopping(search: StudyFolder) -> Saved:
    """Count the reports that stopped trials did not make; 0 s for a trial without a report."""
    stopped = [trial for trial in search.trials if trial.state is State.STOPPED]
    left = {trial.number: search.study.max_reports - trial.epoch for trial in stopped}
    seconds = sum(left[trial.number] * trial.seconds / trial.epoch for trial in stopped if trial.epoch)
    return Saved(sum(left.values()), seconds)


def _sessions(search: StudyFolder) -> int:
    return sum(event.kind in (EventKind.STUDY_STARTED, EventKind.STUDY_RESUMED) for event in search.events)


def _budget(search: StudyFolder) -> list[str]:
    said = search.spent.of(search.study.budget)
    return [f"Spent of the budget: {said}."] if said else []


def _compared(search: StudyFolder, forecast: dict[str, float] | None, wall_s: float) -> list[str]:
    if forecast is None:
        return []
    low, mean, high = (duration(forecast[name]) for name in ("low", "mean", "high"))
    over = search.state == State.COMPLETE
    took = (
        f"the search took {duration(wall_s)}" if over else f"so far the search has taken {duration(wall_s)}"
    )
    within = forecast["low"] <= wall_s <= forecast["high"]
    how = "within" if within else "outside"
    return [f"Forecast: {mean} ({low} to {high}); {took}" + (f", {how} that range." if over else ".")]


def _figure(search: StudyFolder) -> Figure:
    trials = [trial for trial in search.trials if trial.seconds > 0]
    scale, unit = (60.0, "minutes") if max((t.seconds for t in trials), default=0) > 120 else (1.0, "seconds")

    def draw(axes: Axes) -> None:
        for state, colour, alpha in (
            (State.COMPLETE, "C0", 0.9),
            (State.STOPPED, "C4", 0.6),
            (None, "C5", 0.6),
        ):
            rows = _of(trials, state)
            if rows:
                axes.bar(
                    [t.number for t in rows], [t.seconds / scale for t in rows], color=colour, alpha=alpha,
                    width=0.8, label=state or "failed, interrupted or running",
                )  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(ncols=3)
        axes.margins(y=0.15)

    return Figure(
        "Time of each trial", "A bar is the time for which a trial had its resources, all attempts together.",
        "trial number", f"time in {unit}", len(trials), draw, height=3.0,
    )  # fmt: skip


def _of(trials: Sequence[TrialRecord], state: State | None) -> list[TrialRecord]:
    known = (State.COMPLETE, State.STOPPED)
    return [
        t
        for t in trials
        if (t.state is state if state else t.state not in known) and math.isfinite(t.seconds)
    ]
