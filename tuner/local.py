"""Trials in this process, without Ray: the same contract, for tests, debugging and training a winner."""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from tuner.definition import Study
from tuner.devices import set_devices
from tuner.failures import keep_error
from tuner.functions import load_trial
from tuner.metrics import checked
from tuner.record import INTERRUPTED, Record, State, judge
from tuner.source import Source
from tuner.space import Point
from tuner.trial import Metrics, Save

OnReport = Callable[[int, dict[str, float]], None]


class Stopped(SystemExit):
    """Ends a trial as Ray does: `finally` runs, `except Exception` sees nothing."""


class LocalContext:
    """The contract's context in this process; the report of the last epoch does not return.

    Args:
        study: its metric and number of epochs are used.
        on_report: told each epoch's number and metrics; may raise Stopped.
        keep: folder that the last epoch's state is saved to, or None.
        checkpoint: folder to resume from, or None.
    """

    def __init__(
        self, study: Study, on_report: OnReport, keep: Path | None = None, checkpoint: Path | None = None
    ) -> None:
        self._study, self._on_report, self._keep, self._checkpoint = study, on_report, keep, checkpoint
        self._epoch = 0

    @property
    def checkpoint(self) -> Path | None:
        return self._checkpoint

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        self._epoch += 1
        last = self._epoch >= self._study.full
        if last and save is not None and self._keep is not None:
            self._keep.mkdir(parents=True)
            save(self._keep)
        numbers = checked(metrics, self._study.metric.name)
        self._on_report(self._epoch, numbers)
        if last or not math.isfinite(numbers[self._study.metric.name]):
            raise Stopped


def run_local(
    study: Study, point: Point, on_report: OnReport, keep: Path | None = None, checkpoint: Path | None = None
) -> None:
    """Run one trial to its end; arguments as for `LocalContext`, `point` is one value of each dimension.

    Raises:
        Exception: whatever the trial function raises.
    """
    set_devices(study.resources)
    run = load_trial(study.trial)
    try:
        run(study.params(point), LocalContext(study, on_report, keep, checkpoint))
    except Stopped:
        return
    except SystemExit as stop:
        raise RuntimeError(f"the trial called sys.exit({stop.code})") from None


def run_in_process(
    study: Study, source: Source, record: Record, out: Path, slots: int | None, interrupted: threading.Event
) -> None:
    """Run a study's trials one after another, each to its end; arguments as for `run_on_ray`."""
    for _ in range(study.trials):
        if interrupted.is_set():
            return
        number, point = source.ask()
        record.start(number, point)
        state, reason = _attempt(study, source, record, out, interrupted, number)
        source.tell(number, state, record.trials[number].value)
        record.end(number, state, reason)


def _attempt(
    study: Study, source: Source, record: Record, out: Path, interrupted: threading.Event, number: int
) -> tuple[State, str]:
    trial, keep = record.trials[number], out / "checkpoints" / f"{number:04d}"

    def on_report(epoch: int, metrics: dict[str, float]) -> None:
        record.report(number, epoch, metrics)
        source.report(number, epoch, trial.value)
        if interrupted.is_set():
            raise Stopped

    try:
        run_local(study, trial.point, on_report, keep)
    except Exception:  # noqa: BLE001 - one trial's error, of whatever kind, must not end the search
        return State.FAILED, keep_error(traceback.format_exc(), out / "errors", number)
    trial.checkpoint = keep if keep.is_dir() else None
    if interrupted.is_set() and trial.epoch < study.full:
        return State.INTERRUPTED, INTERRUPTED
    return judge(study.metric.name, trial.epoch, trial.value, study.full, "")
