"""A search from end to end: prepare the study, connect to Ray, run the trials, run the finalists, export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from tuner.deploy.models import export_exits
from tuner.execution.preflight import check_extremes, prepared
from tuner.finalists.conclude import conclude_finals, conclude_undecided, final_outcome
from tuner.finalists.finalists import FOLDER, Finals, SeedRounds, plan_finals, plan_line, reason_not_run
from tuner.forecast.run import forecast_into
from tuner.journal.folder import has_begun, refuse_taken
from tuner.results.export import export_winner
from tuner.results.outcome import PreviousStage, SearchResult, StageFinisher, StageResult, StageRun
from tuner.results.pareto import export_front
from tuner.results.selection import winner
from tuner.searchers.searcher import Searcher, SearcherFactory, SearcherState
from tuner.study.study import Study
from tuner.workflows.stage import Runner, run_stage


def search(
    study: Study, out: str | Path, console: Console | None = None, resume: bool = False,
    forecast: bool = True, local: bool = False,
) -> SearchResult:  # fmt: skip
    """Run a search, on Ray or in this process.

        result = tuner.search(tuner.load_study("digits.yaml"), "runs/digits")

    Args:
        study: the study.
        out: the study folder; it must not hold a study, unless `resume`.
        console: for the progress; standard output where there is none.
        resume: continue the search in `out`, if there is one.
        forecast: measure first what a new search will take, where the trial has a `cost`; not with `local`.
        local: run one trial after another in this process, without Ray.
    Returns:
        Trials, winner and exported files.
    Raises:
        StudyError: the folder is taken or holds another study, an end of the space does not build, a trial
            does not fit on the cluster, the storage or MLflow cannot be reached, the export cannot be
            written.
        ValueError, OSError: what the trial's `prepare` raises.
    """
    out, console = Path(out), console or Console(highlight=False)
    if local:
        return search_local(study, out, console, resume)
    refuse_taken(out, resume)
    ready = _ready(study)
    with _on_cluster(ready, out.resolve(), console) as runner:
        if forecast and not has_begun(out):
            forecast_into(ready, out.resolve(), console, runner.slots)
        return _search(ready, out.resolve(), console, runner, resume)


def search_local(study: Study, out: Path, console: Console, resume: bool = False) -> SearchResult:
    """Run a search in this process, one trial after another, without Ray."""
    from tuner.execution.in_process import run_in_process

    refuse_taken(out, resume)
    runner = Runner(partial(run_in_process, slots=1), slots=1)
    return _search(_ready(study), out.resolve(), console, runner, resume)


def on_ray(
    study: Study,
    make: SearcherFactory,
    out: Path,
    console: Console,
    conclude: StageFinisher,
    resume: bool = False,
) -> SearchResult:
    """Run a prepared study's trials on Ray.

    Args:
        study: the prepared study.
        make: makes the searcher from its saved state, None for a new search.
        out: the study folder; it must not hold a study, unless `resume`.
        console: for the progress.
        conclude: draws and writes the conclusion once no attempt is left.
        resume: continue the study in `out`, if there is one.
    Raises:
        StudyError: the folder is taken or holds another study, a trial does not fit on the cluster, the
            storage or MLflow cannot be reached.
    """
    with _on_cluster(study, out.resolve(), console) as runner:
        return run_stage(study, make, out.resolve(), console, runner, conclude, resume)[1]


@contextmanager
def _on_cluster(study: Study, out: Path, console: Console) -> Iterator[Runner]:
    from tuner.cluster.connection import cluster, slots

    console.print("starting Ray ...")
    from tuner.cluster.storage_check import check_storage

    with cluster() as own:
        from tuner.execution.ray_tune.run import run_on_ray  # imports Ray, whose environment is set by now

        fitting = slots(study.resources)
        if not own:
            check_storage(study.storage or str(out))
        reserved = study.reservations or (fitting if own else None)
        yield Runner(partial(run_on_ray, slots=reserved), min(reserved or fitting, fitting))


def _search(study: Study, out: Path, console: Console, runner: Runner, resume: bool) -> SearchResult:
    """Run the search and, where the study has `finalists`, the best trials over fresh seeds."""
    if study.finalists is not None:
        refuse_taken(out / FOLDER, resume)
    driven, outcome = run_stage(study, partial(_sampler, study), out, console, runner, _export, resume)
    if study.finalists is None:
        return outcome
    if why := reason_not_run(driven):
        return replace(outcome, undecided=why)
    finals = plan_finals(driven, study.finalists)
    console.print(f"finalists: {plan_line(finals)}")
    earlier = PreviousStage(out, driven.record.search, driven.spent)
    conclude = partial(conclude_finals, driven)
    rounds = partial(_rounds, finals)
    raced, ended = run_stage(finals, rounds, out / FOLDER, console, runner, conclude, resume, earlier)
    return final_outcome(driven, raced, outcome, ended)


def _sampler(study: Study, memory: SearcherState | None) -> Searcher:
    from tuner.searchers.optuna_searcher import OptunaSearcher

    return OptunaSearcher(study, memory)


def _rounds(finals: Finals, memory: SearcherState | None) -> Searcher:
    return SeedRounds(finals)


def _export(driven: StageRun) -> StageResult:
    study, best = driven.study, winner(driven.record.ordered, driven.study.metric, driven.study.constraints)
    if best is None:
        return StageResult()
    figures = {f"best/{study.metric.name}": best.value}
    exits = export_exits(study, driven.record.ordered, driven.out)
    if study.finalists is not None:
        why = reason_not_run(driven)
        return replace(conclude_undecided(driven, why) if why else StageResult(), figures=figures)
    files = export_winner(study, best, driven.storage, driven.out, driven.resumed)
    files += export_front(study, driven.record.ordered, driven.storage, driven.out)
    return StageResult(files + exits, figures, {"best_trial": f"{best.number:04d}"} if study.search else {})


def _ready(study: Study) -> Study:
    """Prepare the study and build the extremes of its space, so that what cannot work is refused at once."""
    ready = prepared(study)
    check_extremes(ready, step=False)
    return ready
