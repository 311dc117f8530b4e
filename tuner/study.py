"""A search from end to end: the one place where its parts meet."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

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

Runner = Callable[..., None]  # run_on_ray or run_in_process


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
    out = out.resolve()
    refuse_taken(out)
    ready = _ready(study)
    from tuner.cluster import cluster, slots

    console.print("starting Ray ...")
    with cluster() as own:
        from tuner.ray_search import run_on_ray  # imports Ray, whose environment is set by now

        fitting = slots(study.resources)
        concurrency = study.concurrency or (fitting if own else None)
        return _search(ready, out, console, run_on_ray, concurrency)


def search_local(study: Study, out: Path, console: Console) -> Outcome:
    """Search in this process without Ray, trial by trial, each to its end; otherwise as `search`."""
    out = out.resolve()
    refuse_taken(out)
    from tuner.local import run_in_process

    return _search(_ready(study), out, console, run_in_process, 1)


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


def _search(study: Study, out: Path, console: Console, run: Runner, slots: int | None) -> Outcome:
    from tuner.sampler import Sampler
    from tuner.tracking import Tracking

    out.mkdir(parents=True, exist_ok=True)
    tracking = Tracking(study, out)
    comment = f"The study in this folder, as it was searched: {study.name}"
    write_text(out / "study.yaml", dump(study.plain(), comment))
    record = Record(study, [Journal(out / "journal.jsonl"), tracking, Progress(console)])
    return _run(
        study, out, record, console, lambda stop: run(study, Sampler(study), record, out, slots, stop)
    )


def _run(
    study: Study, out: Path, record: Record, console: Console, run: Callable[[threading.Event], None]
) -> Outcome:
    exported: list[Path] = []
    state = State.FAILED
    with _interruptible(console) as interrupt:
        try:
            record.start_study()
            run(interrupt.event)
            best = winner(record.ordered, study.metric)
            exported = export_winner(study, best, out) if best else []
            state = State.INTERRUPTED if interrupt.event.is_set() else State.COMPLETE
        except KeyboardInterrupt:
            state = State.INTERRUPTED
            raise
        finally:
            record.end_study(state)
    return Outcome(record.ordered, best, exported, interrupt.signal)


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
