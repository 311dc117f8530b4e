"""Section: the finalists, the best trials over fresh seeds, from their own journal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from tuner.journal.record import State
from tuner.report.elements import Figure, Section, Table, cell, counted
from tuner.results.seed_race import SeedRace, SeedVerdict, run_race, verdict
from tuner.results.study_folder import StudyFolder


@dataclass(frozen=True)
class FinalistsData:
    """The finalists of a search.

    Attributes:
        runs: their study folder.
        race: over the rounds that all candidates ended.
        verdict: None until two rounds are over.
    """

    runs: StudyFolder
    race: SeedRace
    verdict: SeedVerdict | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval of the winner's mean, or None."""
        if self.verdict is None or not math.isfinite(self.verdict.winner.interval[0]):
            return None
        return self.verdict.winner.interval


def read_finalists(search: StudyFolder, runs: StudyFolder) -> FinalistsData | None:
    """Return the finalists; None if no run has begun.

    Args:
        search: the search.
        runs: the study folder of its finalists.
    """
    wanted = search.study.finalists
    if wanted is None or not runs.trials:
        return None
    params_of_runs = [trial.params for trial in runs.trials]
    candidates = list(dict.fromkeys(params["candidate"] for params in params_of_runs))
    seeds = list(dict.fromkeys(params["seed"] for params in params_of_runs))
    coming = [
        -number for number in range(1, wanted.seeds - len(seeds) + 1)
    ]  # placeholders for seeds without a run
    values: dict[int, dict[int, float]] = {}
    for run in runs.trials:
        if run.state in (State.COMPLETE, State.FAILED):
            value = run.value if run.state is State.COMPLETE else math.nan
            values.setdefault(run.params["candidate"], {})[run.params["seed"]] = value
    mode = search.study.metric.mode
    race = run_race(candidates, [*seeds, *coming], values, wanted.alpha, mode)
    return FinalistsData(runs, race, verdict(race, values, mode))


def section(search: StudyFolder, race: FinalistsData | None) -> Section | None:
    """Return the section; None if the study has no finalists."""
    if search.study.finalists is None:
        return None
    title = "Finalists: the best trials over fresh seeds"
    if race is None:
        return Section("finalists", title, ["No run of the finalists has begun."], {"runs": 0})
    name, rows = search.study.metric.name, race.race.candidates
    once = {row.number: search.record.trials[row.number].value for row in rows}
    columns = [
        "trial",
        "runs",
        "failed",
        f"mean {name}",
        "standard error",
        "95 % interval",
        "in the search",
        "",
    ]
    table = Table(
        columns,
        [
            [row.number, len(row.values), row.failed, row.mean, row.error, _interval(row.interval),
             once[row.number], _place(race, row.number)]
            for row in rows
        ],
        "Each run has a seed that the search did not use. Intervals by Student's t, not adjusted for the"
        " number of candidates.",
    )  # fmt: skip
    numbers = {
        "state": race.runs.state, "runs": len(race.runs.trials), "seeds": race.race.seeds,
        "winner": race.verdict and race.verdict.winner.number,
        "difference": _difference(race),
        "candidates": [
            {"trial": row.number, "values": row.values, "failed": row.failed, "mean": row.mean,
             "standard_error": row.error, "interval": _interval(row.interval), "dropped_after": row.dropped,
             "search_value": once[row.number]}
            for row in rows
        ],
    }  # fmt: skip
    return Section("finalists", title, _text(race, name), numbers, [table], [_figure(race, name, once)])


def _text(race: FinalistsData, name: str) -> list[str]:
    runs = counted(len(race.runs.trials), "run")
    said = [f"{runs} of {len(race.race.candidates)} trials. State: {race.runs.state}."]
    found = race.verdict
    if found is None:
        return [*said, "Fewer than two rounds are over, so there is no verdict."]
    said.append(f"Trial {found.winner.number} wins: its mean, made worse by one standard error, is the best.")
    if found.difference is not None and math.isfinite(found.difference.mean):
        span = _interval((found.difference.low, found.difference.high))
        shown = "significant" if found.difference.shown else "not significant" if span else "not shown"
        interval = f"95 % interval {cell(span)}" if span else "no interval"
        second = found.runner_up.number if found.runner_up else ""
        said.append(
            f"{name} of the runner-up (trial {second}) minus the winner over common seeds:"
            f" {found.difference.mean:+.4g}, {interval}; the difference is {shown}."
        )
    return said


def _difference(race: FinalistsData) -> dict[str, object] | None:
    found = race.verdict
    if found is None or found.difference is None or found.runner_up is None:
        return None
    between = found.difference
    return {
        "runner_up": found.runner_up.number, "mean": between.mean,
        "interval": _interval((between.low, between.high)), "shown": between.shown,
    }  # fmt: skip


def _place(race: FinalistsData, number: int) -> str:
    row = next(each for each in race.race.candidates if each.number == number)
    if row.dropped is not None:
        return f"dropped after {row.dropped} seeds"
    if race.verdict is None:
        return ""
    second = race.verdict.runner_up
    return "winner" if number == race.verdict.winner.number else "runner-up" if row is second else ""


def _interval(ends: Sequence[float]) -> list[float] | None:
    return list(ends) if math.isfinite(ends[0]) else None


def _figure(race: FinalistsData, name: str, once: dict[int, float]) -> Figure:
    rows = race.race.candidates

    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows):
            axes.plot(
                list(row.values.values()), [place] * len(row.values), "o", mfc="none", color="C0", alpha=0.7
            )
            axes.plot([once[row.number]], [place], "x", color="C1", ms=7)
            if math.isfinite(row.interval[0]):
                low, high = row.interval
                reach = [[row.mean - low], [high - row.mean]]
                axes.errorbar([row.mean], [place - 0.25], xerr=reach, fmt="s", color="C0", capsize=3, ms=4)
        axes.set_yticks(range(len(rows)), [f"trial {row.number}" for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.7)

    return Figure(
        "Finalists, run by run",
        "Circles are runs with fresh seeds, the square with its bar is their mean with its 95 % interval, the"
        " cross is the run in the search, which is too good because it was selected.",
        name, "configuration", sum(len(row.values) for row in rows), draw, height=1.4 + 0.5 * len(rows),
    )  # fmt: skip
