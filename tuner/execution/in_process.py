"""Trials in this process, without Ray: the same contract, for debugging, tests and `fsd-tuner train`."""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuner.controller.attempts import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import cause_of
from tuner.controller.tracebacks import failure_of
from tuner.execution.devices import set_devices
from tuner.execution.messages import CHECKPOINT, EPOCH, METRICS, check_metrics
from tuner.execution.worker import TrialTask, run_attempt
from tuner.journal.record import INTERRUPTED
from tuner.space.space import Params
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.trial import Metrics, Save
from tuner.trial_module import TrialModule

OnReport = Callable[[int, dict[str, float]], None]


class Stopped(SystemExit):
    """Ends a trial as Ray Tune does: `finally` runs, `except Exception` does not see it."""


class LocalContext:
    """The context of a single trial outside of a search; its last report does not return.

    Args:
        study: gives metric and number of reports.
        on_report: called with each report's number and metrics; may raise Stopped.
        keep: folder for the checkpoint of the last report, or None.
    """

    def __init__(self, study: Study, on_report: OnReport, keep: Path | None = None) -> None:
        self._study, self._on_report, self._keep = study, on_report, keep
        self._epoch = 0

    @property
    def checkpoint(self) -> Path | None:
        return None

    @property
    def cloned(self) -> bool:
        return False

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        self._epoch += 1
        last = self._epoch >= self._study.max_reports
        if last and save is not None and self._keep is not None:
            self._keep.mkdir(parents=True)
            save(self._keep)
        numbers = check_metrics(metrics, self._study.metric.name)
        self._on_report(self._epoch, numbers)
        if last or not math.isfinite(numbers[self._study.metric.name]):
            raise Stopped


def run_local(study: Study, params: Params, on_report: OnReport, keep: Path | None = None) -> None:
    """Run one trial to its end.

    Args:
        study: the study.
        params: searched values by dotted path.
        on_report, keep: as for `LocalContext`.

    Raises:
        Exception: whatever the trial function raises.
    """
    set_devices(study.resources)
    run = TrialModule(study.trial).function
    try:
        run(study.config(params), LocalContext(study, on_report, keep))
    except Stopped:
        return
    except SystemExit as stop:
        raise RuntimeError(f"the trial called sys.exit({stop.code})") from None


def run_in_process(
    controller: Controller, storage: Storage, out: Path, slots: int | None, interrupted: threading.Event
) -> None:
    """Run the trials of a search one after another in this process; arguments as for `run_on_ray`."""
    study = controller.study
    task = TrialTask(study.trial, study.metric.name, study.resources, storage.uri)
    while not interrupted.is_set() and (attempt := controller.next_attempt()) is not None:
        _run(controller, task, attempt, out / "errors", interrupted)
    if interrupted.is_set():
        controller.interrupt(INTERRUPTED)


def _run(
    controller: Controller, task: TrialTask, attempt: Attempt, errors: Path, interrupted: threading.Event
) -> None:
    def send(result: dict[str, Any]) -> None:
        ended = controller.reported(attempt, result[EPOCH], result[METRICS], result[CHECKPOINT])
        if interrupted.is_set():
            controller.interrupt(INTERRUPTED)
        if ended or controller.halted:
            raise Stopped

    controller.began(attempt)
    try:
        run_attempt(task, asdict(attempt), send)
        controller.returned(attempt)
    except Stopped:
        return
    except Exception as error:  # noqa: BLE001 - no error of one trial may end the search
        failure = failure_of(cause_of(error), traceback.format_exc(), errors, attempt.number)
        controller.failed(attempt, failure)
