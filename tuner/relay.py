"""What Ray Tune says of its trials, told to the conductor."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ray import tune

from tuner.attempt import Attempt
from tuner.conductor import Conductor
from tuner.failures import failure_of, keep_error
from tuner.metrics import CAUSE, CHECKPOINT, EPOCH, METRICS, TRACEBACK
from tuner.policy import Cause, Failure
from tuner.record import INTERRUPTED


class Ends(tune.Stopper):
    """Takes every report before anybody else, and ends the attempts that the conductor wants ended.

    Args:
        conductor: told of reports and failures.
        attempts: by Ray's trial id.
        interrupted: ends everything soon after it is set.
        errors: folder for the full tracebacks of failed trials.
    """

    def __init__(
        self, conductor: Conductor, attempts: dict[str, Attempt], interrupted: threading.Event, errors: Path
    ) -> None:
        self._conductor, self._attempts, self._interrupted = conductor, attempts, interrupted
        self._errors = errors

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        attempt = self._attempts[trial_id]
        if TRACEBACK in result:
            cause, traceback = Cause(result[CAUSE]), result[TRACEBACK]
            self._conductor.failed(attempt, failure_of(cause, traceback, self._errors, attempt.number))
            return True
        if EPOCH not in result:  # the trial function returned before it reported
            return True
        return self._conductor.reported(attempt, result[EPOCH], result[METRICS], result[CHECKPOINT])

    def stop_all(self) -> bool:
        if self._interrupted.is_set():
            self._conductor.interrupt(INTERRUPTED)
        self._conductor.watch()
        return bool(self._conductor.halted)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return tune.stopper.NoopStopper, ()  # for Ray's snapshots, of which nothing is used


class Relay(tune.Callback):
    """Told of attempts that begin or are over; Ray pickles callbacks for snapshots, of which nothing is used.

    Args:
        conductor: told of it.
        attempts: by Ray's trial id.
        errors: folder for what Ray says of a process that died.
    """

    def __init__(self, conductor: Conductor, attempts: dict[str, Attempt], errors: Path) -> None:
        self._conductor, self._attempts, self._errors = conductor, attempts, errors

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._conductor.began(self._attempts[trial.trial_id])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._conductor.returned(self._attempts[trial.trial_id])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        attempt = self._attempts[trial.trial_id]
        file = trial.error_file
        text = Path(file).read_text(encoding="utf-8") if file else ""
        if "OutOfMemoryError" in text:  # Ray ended it before the machine had to
            self._conductor.failed(attempt, failure_of(Cause.MEMORY, text, self._errors, attempt.number))
            return
        text = f"the worker process died: out of memory, or killed\n{text}"
        self._conductor.failed(attempt, Failure(Cause.LOST, keep_error(text, self._errors, attempt.number)))
