"""A search from end to end: the one place where its parts meet."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from tuner.atomic import write_text
from tuner.checks import check_extremes, prepared
from tuner.definition import Study
from tuner.document import dump
from tuner.errors import StudyError
from tuner.export import export_winner
from tuner.journal import Journal
from tuner.progress import Progress
from tuner.record import Record, State, TrialRecord, winner
from tuner.source import Source

if TYPE_CHECKING:
    from tuner.tracking import Tracking

Runner = Callable[..., None]  # run_on_ray or run_in_process
Conclude = Callable[["Driven"], list[Path]]


@dataclass(frozen=True)
class Outcome:
    """What a search leaves.

    Attributes:
        trials: every trial that was begun.
        best: the winner, or None where no trial is complete.
        exported: best.yaml and what the winner exported; empty without a winner.
        signal: the signal that ended it early, or 0.
    """

    trials: list[TrialRecord]
    best: TrialRecord | None
    exported: list[Path]
    signal: int


@dataclass(frozen=True)
class Driven:
    """A set of trials that has been run, before it is closed: what a conclusion may look at and add to.

    Attributes:
        study: what was run.
        record: every trial.
        tracking: takes figures and files.
        out: the folder, absolute.
    """

    study: Study
    record: Record
    tracking: Tracking
    out: Path


def search(study: Study, out: Path, console: Console) -> Outcome:
    """Search on Ray.

    Args:
        study: the study.
        out: a folder that holds no study yet.
        console: for the progress.
    Raises:
        StudyError: the folder is taken, an end of the space does not build, a trial does not fit on the
            cluster, the export cannot be written.
        ValueError, OSError: what the trial's `prepare` raises.
    """
    refuse_taken(out)
    ready = _ready(study)
    return on_ray(ready, _sampler(ready), out, console, _export)


def search_local(study: Study, out: Path, console: Console) -> Outcome:
    """Search in this process without Ray, trial by trial, each to its end; otherwise as `search`."""
    refuse_taken(out)
    from tuner.local import run_in_process

    ready = _ready(study)
    return _drive(ready, _sampler(ready), out.resolve(), console, partial(run_in_process, slots=1), _export)


def on_ray(study: Study, source: Source, out: Path, console: Console, conclude: Conclude) -> Outcome:
    """Run a prepared study's trials on Ray.

    Args:
        study: its settings prepared.
        source: asked for each trial's point.
        out: a folder that holds no study yet.
        console: for the progress.
        conclude: draws the conclusion once all trials are over and writes it; returns its files.
    Raises:
        StudyError: the folder is taken, a trial does not fit on the cluster.
    """
    refuse_taken(out)
    from tuner.cluster import cluster, slots

    console.print("starting Ray ...")
    with cluster() as own:
        from tuner.ray_search import run_on_ray  # imports Ray, whose environment is set by now

        fitting = slots(study.resources)
        concurrency = study.concurrency or (fitting if own else None)
        run = partial(run_on_ray, slots=concurrency)
        return _drive(study, source, out.resolve(), console, run, conclude)


def _sampler(study: Study) -> Source:
    from tuner.sampler import Sampler

    return Sampler(study)


def _export(driven: Driven) -> list[Path]:
    best = winner(driven.record.ordered, driven.study.metric)
    return export_winner(driven.study, best, driven.out) if best else []


def _ready(study: Study) -> Study:
    """The study prepared, with the ends of its space built: what cannot work is refused before it starts."""
    ready = prepared(study)
    check_extremes(ready, step=False)
    return ready


def refuse_taken(out: Path) -> None:
    """Raise StudyError where `out` cannot become the folder of a new study."""
    if out.exists() and not out.is_dir():
        raise StudyError(f"--out {out}: is a file; give a folder")
    for name in ("journal.jsonl", "study.yaml", "best.yaml"):
        if (out / name).exists():
            raise StudyError(
                f"--out {out}: holds a study already ({name}); give another folder or move it away"
            )


def _drive(
    study: Study, source: Source, out: Path, console: Console, run: Runner, conclude: Conclude
) -> Outcome:
    from tuner.tracking import Tracking

    out.mkdir(parents=True, exist_ok=True)
    tracking = Tracking(study, out)
    write_text(out / "study.yaml", dump(study.plain(), f"The {study.kind} in this folder: {study.name}"))
    record = Record(study, [Journal(out / "journal.jsonl"), tracking, Progress(console)])
    written: list[Path] = []
    state = State.FAILED
    with _interruptible(console) as interrupt:
        try:
            record.start_study()
            run(study, source, record, out, interrupted=interrupt.event)
            written = conclude(Driven(study, record, tracking, out))
            state = State.INTERRUPTED if interrupt.event.is_set() else State.COMPLETE
        except KeyboardInterrupt:
            state = State.INTERRUPTED
            raise
        finally:
            record.end_study(state)
    best = winner(record.ordered, study.metric)
    return Outcome(record.ordered, best, written, interrupt.signal)


@dataclass
class _Interrupt:
    event: threading.Event
    signal: int = 0


@contextmanager
def _interruptible(console: Console) -> Iterator[_Interrupt]:
    """The first SIGINT or SIGTERM asks the search to end; a second SIGINT ends the program at once."""
    interrupt = _Interrupt(threading.Event())
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def ask(number: int, frame: FrameType | None) -> None:
        interrupt.signal = number
        interrupt.event.set()
        console.print("ending the search, keeping what was found (Ctrl-C again: at once) ...")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
