"""Section: progress of the search by trials and by time, and all learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tuner.journal.event import EventKind
from tuner.journal.record import State, TrialRecord
from tuner.report.elements import Figure, Section
from tuner.report.sections.finalists import FinalistsData
from tuner.report.sections.result import winner
from tuner.results.selection import feasible
from tuner.results.study_folder import StudyFolder
from tuner.text import HOUR_S

Step = tuple[int, float, float]  # number of ended trials, hours, best value so far


def section(search: StudyFolder, race: FinalistsData | None, rungs: Sequence[int]) -> Section:
    """Return best values over time and learning curves.

    Args:
        search: the search.
        race: its finalists, or None.
        rungs: reports at which the scheduler decides.
    """
    steps = best_so_far(search)
    curves = [trial for trial in search.trials if _finite(trial)]
    numbers = {
        "best_so_far": [{"trials": count, "hours": hours, "value": value} for count, hours, value in steps],
        "curves": {trial.number: trial.values for trial in search.trials},
    }
    text = [] if steps else ["No trial is complete yet."]
    figures = [*_steps(search, steps), _curves(search, curves, rungs, winner(search, race))]
    return Section("progress", "Progress", text, numbers, figures=figures)


def best_so_far(search: StudyFolder) -> list[Step]:
    """Return a step for each complete, feasible trial, in the order of their ends."""
    study, found, best, ended = search.study, list[Step](), math.nan, 0
    for event, seconds in zip(search.events, search.clock, strict=True):
        if event.kind is not EventKind.TRIAL_ENDED or event["state"] == State.INTERRUPTED:
            continue
        ended += 1
        trial = search.record.trials[event.trial or 0]
        fit = event["state"] == State.COMPLETE and feasible(trial.metrics, study.constraints)
        if fit and math.isfinite(trial.value):
            better = search.improved(trial.value, None if math.isnan(best) else best)
            best = trial.value if better else best
            found.append((ended, seconds / HOUR_S, best))
    return found


def _steps(search: StudyFolder, steps: Sequence[Step]) -> list[Figure]:
    name = search.study.metric.name
    unit, scale = _unit(steps[-1][1] if steps else 0.0)
    times = [each[1] * scale for each in steps]
    values = [each[2] for each in steps]

    def over(places: Sequence[float], axes: Axes) -> None:
        axes.step(places, values, where="post", color="C0")
        axes.plot(places, values, "o", color="C0", ms=3)
        axes.xaxis.set_major_locator(MaxNLocator(6))

    reading = "Each dot is a complete trial; the line is the best value so far."
    return [
        Figure(
            "Best so far, by trials", reading, "trials that have ended", f"best {name}", len(steps),
            lambda axes: over([each[0] for each in steps], axes), 3.0, narrow=True,
        ),
        Figure(
            "Best so far, by time", f"{reading} Time between sessions is left out.",
            f"search time in {unit}", f"best {name}", len(steps),
            lambda axes: over(times, axes), 3.0, narrow=True,
        ),
    ]  # fmt: skip


def _unit(hours: float) -> tuple[str, float]:
    """Return a unit that suits a time, and its number per hour."""
    if hours >= 1.5:
        return "hours", 1.0
    return ("minutes", 60.0) if hours >= 0.05 else ("seconds", HOUR_S)


def _curves(
    search: StudyFolder, trials: Sequence[TrialRecord], rungs: Sequence[int], best: TrialRecord | None
) -> Figure:
    name = search.study.metric.name

    def draw(axes: Axes) -> None:
        for rung in rungs:
            axes.axvline(rung, color="C3", lw=0.8, ls=":")
        for trial in trials:
            places, values = zip(*_finite(trial), strict=True)
            own = best is not None and trial.number == best.number
            stopped = trial.state is State.STOPPED
            default = trial is search.baseline
            colour = "C1" if own else "C2" if default else "C0"
            marked = own or default
            axes.plot(
                places, values, "--" if default and not own else "-", color=colour, lw=2.2 if marked else 0.9,
                alpha=1 if marked else 0.45, zorder=3 if own else 2,
                label="best" if own else "default" if default else None,
            )  # fmt: skip
            if stopped or len(places) == 1:
                axes.plot(places[-1:], values[-1:], "x" if stopped else ".", color=colour)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _focus(axes, [value for trial in trials for _, value in _finite(trial)])
        if axes.get_legend_handles_labels()[0]:
            axes.legend()

    said = " Dotted lines are the rungs." if rungs else ""
    return Figure(
        "Learning curves", f"One line per trial; a cross marks where it was stopped.{said}",
        search.study.report_unit, name, sum(len(_finite(trial)) for trial in trials), draw, height=4.2,
    )  # fmt: skip


def _finite(trial: TrialRecord) -> list[tuple[int, float]]:
    return [(place, value) for place, value in sorted(trial.values.items()) if math.isfinite(value)]


def _focus(axes: Axes, values: Sequence[float]) -> None:
    """Use a logarithmic axis if a few far values would squeeze the rest."""
    if min(values) > 0 and max(values) > 50 * sorted(values)[len(values) // 2]:
        axes.set_yscale("log")
