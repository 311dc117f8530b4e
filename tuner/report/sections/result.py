"""Section: state of the search, best configuration, and how certain it is."""

from __future__ import annotations

from collections import Counter

from tuner.journal.record import State, TrialRecord
from tuner.report.elements import Section, Table, cell, counted, setting_text
from tuner.report.sections.finalists import FinalistsData
from tuner.results.study_folder import KILLED, RUNNING, StudyFolder

ONE_RUN = "one run; the effect of the seed was not measured"


def section(search: StudyFolder, race: FinalistsData | None) -> Section:
    """Return the state of the search and its best configuration."""
    best = winner(search, race)
    counts = Counter(trial.state.value for trial in search.trials)
    numbers = {
        "study": search.study.name, "trial_function": search.study.trial, "state": state(search, race)[0],
        "reason": search.reason, "trials": dict(counts), "begun": len(search.trials),
        "planned": search.study.trials, "metric": search.study.metric.name, "mode": search.study.metric.mode,
        "best": best and {
            "trial": best.number, "value": best.value, "params": best.params, "changes": best.changes,
            "mean": race.verdict.winner.mean if race and race.verdict else None,
            "interval": race.interval if race else None,
            "certainty": certainty(race),
        },
        "default": search.baseline and {"state": search.baseline.state.value, "value": search.baseline.value},
    }  # fmt: skip
    states = Table([f"{name} trials" for name in State], [[counts.get(name, 0) for name in State]])
    tables = [states] if best is None else [_configuration(search, best), states]
    return Section("result", "Result", _text(search, race, best), numbers, tables)


def winner(search: StudyFolder, race: FinalistsData | None) -> TrialRecord | None:
    """Return the winner of the finalists, otherwise the best trial by one run."""
    if race is not None and race.verdict is not None:
        return search.record.trials[race.verdict.winner.number]
    return search.best


def certainty(race: FinalistsData | None) -> str:
    """Return how certain the best value is, in a phrase."""
    if race is None or race.verdict is None:
        return ONE_RUN
    seeds = len(race.verdict.winner.values)
    return f"mean of {seeds} fresh seeds, interval by Student's t at 95 %"


def state(search: StudyFolder, race: FinalistsData | None) -> tuple[str, str]:
    """Return the state of search and finalists together: a word and a sentence."""
    over = f"{len(search.trials)} of {counted(search.study.trials, 'trial')} begun"
    if race is not None and race.runs.state != State.COMPLETE:
        if race.runs.state == RUNNING:
            return RUNNING, f"The finalists are running; the search is over ({over})."
        return race.runs.state, f"The search is over ({over}); its finalists ended early: {race.runs.state}."
    if search.state == RUNNING:
        return RUNNING, f"The search is running, {over}; make the report again for newer numbers."
    if search.state == KILLED:
        return (
            KILLED,
            f"The search was interrupted, {over}; continue it with `fsd-tuner search ... --resume`.",
        )
    if search.state == State.COMPLETE:
        return search.state, f"The search is complete, {over}."
    why = f": {search.reason}" if search.reason else ""
    return search.state, f"The search ended early ({search.state}{why}), {over}; continue it with `--resume`."


def _text(search: StudyFolder, race: FinalistsData | None, best: TrialRecord | None) -> list[str]:
    name, lower = search.study.metric.name, "lower" if search.study.metric.mode == "min" else "higher"
    said = [state(search, race)[1]]
    if best is None:
        return [
            *said,
            f"No trial has completed its {search.study.max_reports} {search.study.report_unit}s, so there is"
            " no best.",
        ]
    found = race.verdict.winner if race and race.verdict else None
    if found is None:
        said.append(f"Best: trial {best.number} with {name} {best.value:.6g} ({lower} is better); {ONE_RUN}.")
    else:
        span = f"95 % interval {cell(list(race.interval))}" if race and race.interval else "no interval"
        said.append(
            f"Best: trial {best.number} with mean {name} {found.mean:.6g}, {span} ({lower} is better), over"
            f" {counted(len(found.values), 'fresh seed')}; its run in the search had {best.value:.6g}."
        )
    return [*said, *_against_default(search, best)]


def _against_default(search: StudyFolder, best: TrialRecord) -> list[str]:
    default = search.baseline
    if default is None:
        return []
    if default.state is not State.COMPLETE:
        return [f"The default, trial 0, is {default.state}, so there is no comparison with it."]
    if default.number == best.number:
        return ["The best trial is the default, trial 0."]
    gain = abs(best.value - default.value)
    how = "better" if search.study.metric.better(best.value, default.value) else "worse or equal"
    return [f"The default, trial 0, has {default.value:.6g}; the best is {how} by {gain:.4g} (one run each)."]


def _configuration(search: StudyFolder, best: TrialRecord) -> Table:
    default = search.study.default
    rows = [[path, setting_text(value)] for path, value in best.params.items()]
    if default is not None:
        rows = [[*row, setting_text(default[row[0]]) if row[0] in default else "–"] for row in rows]
    rows += [[f"{path}, after a failure", setting_text(value)] for path, value in best.changes.items()]
    columns = ["setting", f"best (trial {best.number})", *(["default"] if default is not None else [])]
    return Table(columns, rows)
