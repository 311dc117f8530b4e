"""The end of the finals: who won, and its files in the search's folder."""

from __future__ import annotations

import math
from dataclasses import replace

from tuner.finalists.finalists import FOLDER, Finals, course_of
from tuner.finalists.tables import figures, origin, tags, write
from tuner.journal.record import State, TrialRecord
from tuner.results.export import export_winner
from tuner.results.outcome import SearchResult, StageResult, StageRun
from tuner.results.seed_race import SeedVerdict, verdict
from tuner.results.selection import winner


def decided(finals: Finals, trials: list[TrialRecord], ended: str = "") -> SeedVerdict | None:
    """What the runs say; `ended` is why no more of them were made."""
    values: dict[int, dict[int, float]] = {}
    for run in trials:
        if run.state in (State.COMPLETE, State.FAILED):
            value = run.value if run.state is State.COMPLETE else math.nan
            values.setdefault(run.params["candidate"], {})[run.params["seed"]] = value
    now = course_of(finals, values)
    return verdict(now, values, finals.metric.mode, "" if now.over else ended)


def conclude_finals(searched: StageRun, driven: StageRun) -> StageResult:
    """Export the winner into the search's folder and write the tables there.

    Args:
        searched: the search.
        driven: the finals.
    """
    finals, study = driven.study, searched.study
    assert isinstance(finals, Finals)
    found = decided(finals, driven.record.ordered, driven.halted)
    if found is None:
        return own_winner(searched, undecided(driven.record.ordered, driven.halted))
    chosen = exported_run(finals, driven.record.ordered, found)
    best = searched.record.trials[found.winner.number]
    as_trial = replace(
        chosen, number=best.number, params=best.params,
        changes={**best.changes, **finals.seeds[chosen.params["seed"]], **chosen.changes},
    )  # fmt: skip
    note = {FOLDER: origin(found, chosen.params["seed"])}
    files = export_winner(study, as_trial, driven.storage, searched.out, searched.resumed, note)
    files += write(found, searched.record.trials, study.metric, searched.out)
    return StageResult(files, figures(found), tags(found, chosen.params["seed"]))


def exported_run(finals: Finals, trials: list[TrialRecord], found: SeedVerdict) -> TrialRecord:
    """The winner's best run."""
    own = [t for t in trials if t.params["candidate"] == found.winner.number]
    best = winner([t for t in own if t.params["seed"] in found.winner.values], finals.metric)
    assert best is not None
    return best


def undecided(trials: list[TrialRecord], ended: str) -> str:
    """Why there is no verdict."""
    complete = sum(trial.state is State.COMPLETE for trial in trials)
    return f"not decided after {complete} complete runs: {ended or 'no configuration came to its end twice'}"


def own_winner(searched: StageRun, why: str) -> StageResult:
    """Export the search's own winner, which says that the finalists did not decide."""
    best = winner(searched.record.ordered, searched.study.metric, searched.study.constraints)
    if best is None:
        return StageResult()
    note = {FOLDER: {"undecided": why}}
    files = export_winner(searched.study, best, searched.storage, searched.out, searched.resumed, note)
    return StageResult(files, {}, {"undecided": why})


def final_outcome(
    searched: StageRun, raced: StageRun, search: SearchResult, ended: SearchResult
) -> SearchResult:
    """The outcome of a search whose finals have run.

    Args:
        searched, raced: the search and its finals.
        search, ended: their own outcomes.
    """
    finals, runs = raced.study, raced.record.ordered
    assert isinstance(finals, Finals)
    found = decided(finals, runs, raced.halted)
    best = search.best if found is None else searched.record.trials[found.winner.number]
    return replace(
        search, best=best, exported=ended.exported, signal=ended.signal, halted=ended.halted, finals=found,
        undecided=undecided(runs, raced.halted) if found is None else "",
    )  # fmt: skip
