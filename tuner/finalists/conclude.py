"""The end of the finalists' stage: the verdict, and the winner's files in the study folder."""

from __future__ import annotations

import math
from dataclasses import replace

from tuner.finalists.finalists import FOLDER, Finals, race_so_far
from tuner.finalists.tables import metrics, origin, tags, write_tables
from tuner.journal.record import State, TrialRecord
from tuner.results.export import export_winner
from tuner.results.outcome import SearchResult, StageResult, StageRun
from tuner.results.seed_race import SeedVerdict, verdict
from tuner.results.selection import winner


def verdict_of(finals: Finals, runs: list[TrialRecord], ended: str = "") -> SeedVerdict | None:
    """Return the verdict over the runs so far, or None; `ended` says why no more of them were made."""
    values: dict[int, dict[int, float]] = {}
    for run in runs:
        if run.state in (State.COMPLETE, State.FAILED):
            value = run.value if run.state is State.COMPLETE else math.nan
            values.setdefault(run.params["candidate"], {})[run.params["seed"]] = value
    race = race_so_far(finals, values)
    return verdict(race, values, finals.metric.mode, "" if race.over else ended)


def conclude_finals(searched: StageRun, raced: StageRun) -> StageResult:
    """Export the winner into the study folder and write the tables there.

    Args:
        searched: the search.
        raced: the finalists.
    """
    finals, study = raced.study, searched.study
    assert isinstance(finals, Finals)
    outcome = verdict_of(finals, raced.record.ordered, raced.halted)
    if outcome is None:
        return conclude_undecided(searched, undecided(raced.record.ordered, raced.halted))
    run = exported_run(finals, raced.record.ordered, outcome)
    best = searched.record.trials[outcome.winner.number]
    as_trial = replace(
        run, number=best.number, params=best.params,
        changes={**best.changes, **finals.seeds[run.params["seed"]], **run.changes},
    )  # fmt: skip
    note = {FOLDER: origin(outcome, run.params["seed"])}
    files = export_winner(study, as_trial, raced.storage, searched.out, searched.resumed, note)
    files += write_tables(outcome, searched.record.trials, study.metric, searched.out)
    return StageResult(files, metrics(outcome), tags(outcome, run.params["seed"]))


def exported_run(finals: Finals, trials: list[TrialRecord], outcome: SeedVerdict) -> TrialRecord:
    """Return the best run of the winner."""
    own = [t for t in trials if t.params["candidate"] == outcome.winner.number]
    best = winner([t for t in own if t.params["seed"] in outcome.winner.values], finals.metric)
    assert best is not None
    return best


def undecided(trials: list[TrialRecord], ended: str) -> str:
    """Return why there is no verdict."""
    complete = sum(trial.state is State.COMPLETE for trial in trials)
    return f"not decided after {complete} complete runs: {ended or 'no candidate has two complete runs'}"


def conclude_undecided(searched: StageRun, why: str) -> StageResult:
    """Export the best trial of the search; best.yaml says that the finalists did not decide."""
    best = winner(searched.record.ordered, searched.study.metric, searched.study.constraints)
    if best is None:
        return StageResult()
    note = {FOLDER: {"undecided": why}}
    files = export_winner(searched.study, best, searched.storage, searched.out, searched.resumed, note)
    return StageResult(files, {}, {"undecided": why})


def final_outcome(
    searched: StageRun, raced: StageRun, search: SearchResult, ended: SearchResult
) -> SearchResult:
    """Return the result of a search whose finalists have run.

    Args:
        searched, raced: the search and its finalists.
        search, ended: their results.
    """
    finals, runs = raced.study, raced.record.ordered
    assert isinstance(finals, Finals)
    outcome = verdict_of(finals, runs, raced.halted)
    best = search.best if outcome is None else searched.record.trials[outcome.winner.number]
    return replace(
        search, best=best, exported=ended.exported, signal=ended.signal, halted=ended.halted, finals=outcome,
        undecided=undecided(runs, raced.halted) if outcome is None else "",
    )  # fmt: skip
