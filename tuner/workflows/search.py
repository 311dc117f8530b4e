"""A search from end to end: the place where all parts meet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tuner.controller.budget import Spent, Stages
from tuner.controller.controller import Controller
from tuner.controller.retry import RetryPolicy
from tuner.controller.stacking import stacking_of
from tuner.deploy.models import export_exits
from tuner.execution.preflight import check_extremes, prepared
from tuner.files import write_text
from tuner.finalists.conclude import conclude_finals, conclude_undecided, final_outcome
from tuner.finalists.finalists import FOLDER, Finals, SeedRounds, plan_finals, plan_line, reason_not_run
from tuner.forecast.run import forecast_into
from tuner.journal.folder import (
    has_begun,
    new_search_id,
    open_study_folder,
    refuse_other_study,
    refuse_taken,
)
from tuner.journal.journal import Journal
from tuner.journal.record import INTERRUPTED, EventListener, State, StudyRecord
from tuner.results.export import export_winner
from tuner.results.outcome import PreviousStage, SearchResult, StageFinisher, StageResult, StageRun
from tuner.results.pareto import export_front
from tuner.results.selection import winner
from tuner.schedulers.diagnostics import figures as measured
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.scheduler import Scheduler
from tuner.searchers.searcher import Searcher, SearcherFactory, SearcherState
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.study.yaml_file import dump
from tuner.trial_module import TrialModule
from tuner.workflows.interrupt import Interrupt, interruptible
from tuner.workflows.progress import Progress

if TYPE_CHECKING:
    from tuner.tracking.tracking import Tracking


@dataclass(frozen=True)
class Runner:
    """Runs a set of trials.

    Attributes:
        run: as `run_on_ray`, but for `slots`.
        places: how many trials, or stacks of them, run at once.
    """

    run: Callable[..., None]
    places: int


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
            forecast_into(ready, out.resolve(), console, runner.places)
        return _search(ready, out.resolve(), console, runner, resume)


def search_local(study: Study, out: Path, console: Console, resume: bool = False) -> SearchResult:
    """Run a search in this process, one trial after another, without Ray."""
    from tuner.execution.in_process import run_in_process

    refuse_taken(out, resume)
    runner = Runner(partial(run_in_process, slots=1), places=1)
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
        study: its settings prepared.
        make: makes what is asked for each trial's params.
        out: a folder that holds no study yet.
        console: for the progress.
        conclude: draws the conclusion once all trials are over and writes it.
        resume: go on with the study in `out`, if there is one.
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
    """The search and, where the study asks for them, its finals."""
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
    """The study prepared, with the ends of its space built: what cannot work is refused before it starts."""
    ready = prepared(study)
    check_extremes(ready, step=False)
    return ready


def run_stage(
    study: Study, make: SearcherFactory, out: Path, console: Console, runner: Runner, conclude: StageFinisher,
    resume: bool, earlier: PreviousStage | None = None,
) -> tuple[StageRun, SearchResult]:  # fmt: skip
    storage = Storage(study.storage or str(out))
    storage.probe()
    with ExitStack() as stack:
        journal = stack.enter_context(open_study_folder(out, study.storage, resume))
        if journal.past:
            refuse_other_study(journal.past, study)
        source = make(journal.past[0]["memory"] if journal.past else None)
        tracking = stack.enter_context(_tracking(study, out, journal, earlier))
        listeners: list[EventListener] = [journal, tracking]
        record = StudyRecord(study.metric.name, listeners)
        rule = build_scheduler(study)
        policy = RetryPolicy(study.retries, TrialModule(study.trial).retry_settings)
        stages = Stages(earlier.spent if earlier else Spent(), runner.places)
        stacking = stacking_of(study)
        controller = Controller(
            study, source, rule, record, storage, policy, stages=stages, stacking=stacking
        )
        listeners.append(Progress(study, console, record, lambda: controller.spent().of(study.budget)))
        interrupt = stack.enter_context(interruptible(console))
        state, files = State.FAILED, list[Path]()
        _begin(controller, journal, source.state, out)
        try:
            runner.run(controller, storage, out, interrupted=interrupt.event)
            driven = _driven(controller, storage, out, bool(journal.past), interrupt)
            files = _conclude(conclude(driven), driven, rule)
            state = State.INTERRUPTED if controller.halted else State.COMPLETE
        except KeyboardInterrupt:
            state = State.INTERRUPTED
            raise
        finally:
            controller.end(state)
        spent = controller.spent()  # without what is still delivered, as a later session reads it
    best = winner(record.ordered, study.metric, study.constraints)
    return driven, SearchResult(
        record.ordered, best, files, interrupt.signal, controller.halted, list(rule.diagnostics()),
        spent=spent,
    )  # fmt: skip


def _driven(
    controller: Controller, storage: Storage, out: Path, resumed: bool, interrupt: Interrupt
) -> StageRun:
    halted = controller.halted or (INTERRUPTED if interrupt.event.is_set() else "")
    return StageRun(
        controller.study, controller.record, storage, out, resumed, controller.spent(), halted,
        controller.budget_over,
    )  # fmt: skip


def _conclude(conclusion: StageResult, driven: StageRun, rule: Scheduler) -> list[Path]:
    names = [os.path.relpath(file, driven.out) for file in conclusion.files]
    figures = {**conclusion.figures, **measured(rule.diagnostics())}
    driven.record.conclude(figures, names, conclusion.tags)
    return conclusion.files


def _begin(controller: Controller, journal: Journal, memory: SearcherState, out: Path) -> None:
    """Start the record, or go on with an earlier one."""
    study = controller.study
    if journal.past:
        controller.resume(journal.past)
    else:
        controller.record.start_study(new_search_id(), study.to_dict(), memory)
    write_text(
        out / "study.yaml", dump(study.to_dict(), f"The {study.run_kind} in this folder: {study.name}")
    )


def _tracking(study: Study, out: Path, journal: Journal, earlier: PreviousStage | None) -> Tracking:
    from tuner.tracking.tracking import Tracking

    return Tracking(study, out, journal.past, earlier)
