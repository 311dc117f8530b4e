"""A search from end to end: the one place where its parts meet."""

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
from tuner.controller.controller import Conductor
from tuner.controller.retry import Policy
from tuner.controller.stacking import stacking_of
from tuner.deploy.models import export_exits
from tuner.files import write_text
from tuner.finalists.conclude import conclude_finals, final_outcome, own_winner
from tuner.finalists.finalists import FOLDER, Finals, Rounds, plan_line, planned, undecidable
from tuner.forecast.run import forecast_into
from tuner.journal.folder import begun, new_search, opened, refuse_another, refuse_taken
from tuner.journal.journal import Journal
from tuner.journal.record import INTERRUPTED, Listener, Record, State
from tuner.preflight import check_extremes, prepared
from tuner.results.export import export_winner
from tuner.results.outcome import Conclude, Conclusion, Driven, Earlier, Outcome
from tuner.results.pareto import export_front
from tuner.results.selection import winner
from tuner.schedulers.diagnostics import figures as measured
from tuner.schedulers.factory import build_rule
from tuner.schedulers.scheduler import Rule
from tuner.search.interrupt import Interrupt, interruptible
from tuner.search.progress import Progress
from tuner.searchers.searcher import Make, Memory, Source
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.study.yaml_file import dump
from tuner.trial_module import load_relieve

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


def search(study: Study, out: Path, console: Console, resume: bool = False, forecast: bool = True) -> Outcome:
    """Search on Ray.

    Args:
        study: the study.
        out: a folder that holds no study yet.
        console: for the progress.
        resume: go on with the search in `out`, if there is one.
        forecast: measure first and say what a new search will take, where the trial has a `cost`.
    Raises:
        StudyError: the folder is taken or holds another study, an end of the space does not build, a trial
            does not fit on the cluster, the storage or MLflow cannot be reached, the export cannot be
            written.
        ValueError, OSError: what the trial's `prepare` raises.
    """
    refuse_taken(out, resume)
    ready = _ready(study)
    with _on_cluster(ready, out.resolve(), console) as runner:
        if forecast and not begun(out):
            forecast_into(ready, out.resolve(), console, runner.places)
        return _search(ready, out.resolve(), console, runner, resume)


def search_local(study: Study, out: Path, console: Console, resume: bool = False) -> Outcome:
    """Search in this process without Ray, one trial after another; otherwise as `search`."""
    from tuner.execution.in_process import run_in_process

    refuse_taken(out, resume)
    runner = Runner(partial(run_in_process, slots=1), places=1)
    return _search(_ready(study), out.resolve(), console, runner, resume)


def on_ray(
    study: Study, make: Make, out: Path, console: Console, conclude: Conclude, resume: bool = False
) -> Outcome:
    """Run a prepared study's trials on Ray.

    Args:
        study: its settings prepared.
        make: makes what is asked for each trial's point.
        out: a folder that holds no study yet.
        console: for the progress.
        conclude: draws the conclusion once all trials are over and writes it.
        resume: go on with the study in `out`, if there is one.
    Raises:
        StudyError: the folder is taken or holds another study, a trial does not fit on the cluster, the
        storage or MLflow cannot be reached.
    """
    with _on_cluster(study, out.resolve(), console) as runner:
        return _drive(study, make, out.resolve(), console, runner, conclude, resume)[1]


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


def _search(study: Study, out: Path, console: Console, runner: Runner, resume: bool) -> Outcome:
    """The search and, where the study asks for them, its finals."""
    if study.finalists is not None:
        refuse_taken(out / FOLDER, resume)
    driven, outcome = _drive(study, partial(_sampler, study), out, console, runner, _export, resume)
    if study.finalists is None:
        return outcome
    if why := undecidable(driven):
        return replace(outcome, undecided=why)
    finals = planned(driven, study.finalists)
    console.print(f"finalists: {plan_line(finals)}")
    earlier = Earlier(out, driven.record.search, driven.spent)
    conclude = partial(conclude_finals, driven)
    rounds = partial(_rounds, finals)
    raced, ended = _drive(finals, rounds, out / FOLDER, console, runner, conclude, resume, earlier)
    return final_outcome(driven, raced, outcome, ended)


def _sampler(study: Study, memory: Memory | None) -> Source:
    from tuner.searchers.optuna_searcher import Sampler

    return Sampler(study, memory)


def _rounds(finals: Finals, memory: Memory | None) -> Source:
    return Rounds(finals)


def _export(driven: Driven) -> Conclusion:
    study, best = driven.study, winner(driven.record.ordered, driven.study.metric, driven.study.constraints)
    if best is None:
        return Conclusion()
    figures = {f"best/{study.metric.name}": best.value}
    exits = export_exits(study, driven.record.ordered, driven.out)
    if study.finalists is not None:
        why = undecidable(driven)
        return replace(own_winner(driven, why) if why else Conclusion(), figures=figures)
    files = export_winner(study, best, driven.storage, driven.out, driven.resumed)
    files += export_front(study, driven.record.ordered, driven.storage, driven.out)
    return Conclusion(files + exits, figures, {"best_trial": f"{best.number:04d}"} if study.search else {})


def _ready(study: Study) -> Study:
    """The study prepared, with the ends of its space built: what cannot work is refused before it starts."""
    ready = prepared(study)
    check_extremes(ready, step=False)
    return ready


def _drive(
    study: Study, make: Make, out: Path, console: Console, runner: Runner, conclude: Conclude,
    resume: bool, earlier: Earlier | None = None,
) -> tuple[Driven, Outcome]:  # fmt: skip
    storage = Storage(study.storage or str(out))
    storage.probe()
    with ExitStack() as stack:
        journal = stack.enter_context(opened(out, study.storage, resume))
        if journal.past:
            refuse_another(journal.past, study)
        source = make(journal.past[0]["memory"] if journal.past else None)
        tracking = stack.enter_context(_tracking(study, out, journal, earlier))
        listeners: list[Listener] = [journal, tracking]
        record = Record(study.metric.name, listeners)
        rule = build_rule(study)
        policy = Policy(study.retries, load_relieve(study.trial))
        stages = Stages(earlier.spent if earlier else Spent(), runner.places)
        stacking = stacking_of(study)
        conductor = Conductor(study, source, rule, record, storage, policy, stages=stages, stacking=stacking)
        listeners.append(Progress(study, console, record, lambda: conductor.spent().of(study.budget)))
        interrupt = stack.enter_context(interruptible(console))
        state, files = State.FAILED, list[Path]()
        _begin(conductor, journal, source.memory, out)
        try:
            runner.run(conductor, storage, out, interrupted=interrupt.event)
            driven = _driven(conductor, storage, out, bool(journal.past), interrupt)
            files = _conclude(conclude(driven), driven, rule)
            state = State.INTERRUPTED if conductor.halted else State.COMPLETE
        except KeyboardInterrupt:
            state = State.INTERRUPTED
            raise
        finally:
            conductor.end(state)
        spent = conductor.spent()  # without what is still delivered, as a later session reads it
    best = winner(record.ordered, study.metric, study.constraints)
    return driven, Outcome(
        record.ordered, best, files, interrupt.signal, conductor.halted, list(rule.findings()),
        spent=spent,
    )  # fmt: skip


def _driven(conductor: Conductor, storage: Storage, out: Path, resumed: bool, interrupt: Interrupt) -> Driven:
    halted = conductor.halted or (INTERRUPTED if interrupt.event.is_set() else "")
    return Driven(
        conductor.study, conductor.record, storage, out, resumed, conductor.spent(), halted,
        conductor.budget_over,
    )  # fmt: skip


def _conclude(conclusion: Conclusion, driven: Driven, rule: Rule) -> list[Path]:
    names = [os.path.relpath(file, driven.out) for file in conclusion.files]
    figures = {**conclusion.figures, **measured(rule.findings())}
    driven.record.conclude(figures, names, conclusion.tags)
    return conclusion.files


def _begin(conductor: Conductor, journal: Journal, memory: Memory, out: Path) -> None:
    """Start the record, or go on with an earlier one."""
    study = conductor.study
    if journal.past:
        conductor.recover(journal.past)
    else:
        conductor.record.start_study(new_search(), study.plain(), memory)
    write_text(out / "study.yaml", dump(study.plain(), f"The {study.kind} in this folder: {study.name}"))


def _tracking(study: Study, out: Path, journal: Journal, earlier: Earlier | None) -> Tracking:
    from tuner.tracking.tracking import Tracking

    return Tracking(study, out, journal.past, earlier)
