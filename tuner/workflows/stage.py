"""A set of trials run to its conclusion: opens the study folder, builds the controller, runs, concludes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tuner.controller.budget import Spent, Stages
from tuner.controller.controller import Controller
from tuner.controller.retry import RetryPolicy
from tuner.controller.stacking import stacking_of
from tuner.files import write_text
from tuner.journal.folder import new_search_id, open_study_folder, refuse_other_study
from tuner.journal.journal import Journal
from tuner.journal.record import INTERRUPTED, EventListener, State, StudyRecord
from tuner.results.outcome import PreviousStage, SearchResult, StageFinisher, StageResult, StageRun
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
    """Runs attempts, on Ray or in this process.

    Attributes:
        run: `run_on_ray` or `run_in_process` with its `slots` given.
        slots: number of trials, or stacks of them, that run at once.
    """

    run: Callable[..., None]
    slots: int


def run_stage(
    study: Study, make: SearcherFactory, out: Path, console: Console, runner: Runner, conclude: StageFinisher,
    resume: bool, earlier: PreviousStage | None = None,
) -> tuple[StageRun, SearchResult]:  # fmt: skip
    """Run the trials of one study, new or resumed, and write its conclusion.

    Args:
        study: the prepared study.
        make: makes the searcher from its saved state, None for a new search.
        out: the study folder.
        console: for the progress.
        runner: runs the attempts.
        conclude: draws and writes the conclusion once no attempt is left.
        resume: continue the study in `out`, if there is one.
        earlier: the search before these trials, where they are its finalists.
    Returns:
        The run and its result.
    """
    storage = Storage(study.storage or str(out))
    storage.probe()
    with ExitStack() as stack:
        journal = stack.enter_context(open_study_folder(out, study.storage, resume))
        if journal.past:
            refuse_other_study(journal.past, study)
        searcher = make(journal.past[0]["memory"] if journal.past else None)
        tracking = stack.enter_context(_tracking(study, out, journal, earlier))
        listeners: list[EventListener] = [journal, tracking]
        record = StudyRecord(study.metric.name, listeners)
        scheduler = build_scheduler(study)
        stages = Stages(earlier.spent if earlier else Spent(), runner.slots)
        controller = _controller(study, searcher, scheduler, record, storage, stages)
        listeners.append(Progress(study, console, record, lambda: controller.spent().of(study.budget)))
        interrupt = stack.enter_context(interruptible(console))
        _begin(controller, journal, searcher.state, out)
        with _ending(controller):
            runner.run(controller, storage, out, interrupted=interrupt.event)
            driven = _driven(controller, storage, out, bool(journal.past), interrupt)
            files = _conclude(conclude(driven), driven, scheduler)
        spent = controller.spent()  # without what is still delivered, as a later session reads it
    best = winner(record.ordered, study.metric, study.constraints)
    return driven, SearchResult(
        record.ordered, best, files, interrupt.signal, controller.halted, list(scheduler.diagnostics()),
        spent=spent,
    )  # fmt: skip


def _controller(
    study: Study, searcher: Searcher, scheduler: Scheduler, record: StudyRecord, storage: Storage,
    stages: Stages,
) -> Controller:  # fmt: skip
    policy = RetryPolicy(study.retries, TrialModule(study.trial).retry_settings)
    stacking = stacking_of(study)
    return Controller(study, searcher, scheduler, record, storage, policy, stages=stages, stacking=stacking)


@contextmanager
def _ending(controller: Controller) -> Iterator[None]:
    """End the study with the state that its trials leave it in, whatever is raised meanwhile."""
    state = State.FAILED
    try:
        yield
        state = State.INTERRUPTED if controller.halted else State.COMPLETE
    except KeyboardInterrupt:
        state = State.INTERRUPTED
        raise
    finally:
        controller.end(state)


def _driven(
    controller: Controller, storage: Storage, out: Path, resumed: bool, interrupt: Interrupt
) -> StageRun:
    halted = controller.halted or (INTERRUPTED if interrupt.event.is_set() else "")
    return StageRun(
        controller.study, controller.record, storage, out, resumed, controller.spent(), halted,
        controller.budget_over,
    )  # fmt: skip


def _conclude(conclusion: StageResult, driven: StageRun, scheduler: Scheduler) -> list[Path]:
    names = [os.path.relpath(file, driven.out) for file in conclusion.files]
    figures = {**conclusion.figures, **measured(scheduler.diagnostics())}
    driven.record.conclude(figures, names, conclusion.tags)
    return conclusion.files


def _begin(controller: Controller, journal: Journal, memory: SearcherState, out: Path) -> None:
    """Start the record, or replay the journal into it; write the study file beside it."""
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
