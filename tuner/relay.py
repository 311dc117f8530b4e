"""What Ray Tune says of its trials, told to the conductor; one of Ray's is an attempt or a stack of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler

from tuner.answers import Answers
from tuner.attempt import Attempt
from tuner.conductor import Conductor
from tuner.failures import failure_of, keep_error
from tuner.metrics import CAUSE, CHECKPOINT, EPOCH, METRICS, TRACEBACK
from tuner.policy import Cause, Failure
from tuner.record import INTERRUPTED
from tuner.stack_relay import StackRelay, fail_together


class StudyScheduler(FIFOScheduler):
    """Ray Tune's scheduler of a study: the conductor says after each report whether the attempt goes on.

    Args:
        conductor: told of reports and failures.
        attempts: by Ray's trial id.
        errors: folder for the full tracebacks of failed trials.
        answers: to what attempts ask; None where each has several processes.
    """

    def __init__(
        self, conductor: Conductor, attempts: dict[str, list[Attempt]], errors: Path,
        answers: Answers | None = None,
    ) -> None:  # fmt: skip
        super().__init__()  # type: ignore[no-untyped-call]
        self._conductor, self._attempts, self._errors = conductor, attempts, errors
        self._stacks = StackRelay(conductor, attempts, errors, answers)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return FIFOScheduler, ()  # Ray pickles it for snapshots, of which nothing is used

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return self.STOP if self._ends(trial.trial_id, unflattened(result)) else self.CONTINUE

    def _ends(self, trial_id: str, result: dict[str, Any]) -> bool:
        if self._stacks.takes(result):
            return self._stacks.take(trial_id, result)
        if TRACEBACK in result:
            cause, traceback = Cause(result[CAUSE]), result[TRACEBACK]
            _failed(self._conductor, self._attempts[trial_id], cause, traceback, self._errors)
            return True
        if EPOCH not in result:  # the trial function returned before it reported
            return True
        (attempt,) = self._attempts[trial_id]
        return self._conductor.reported(attempt, result[EPOCH], result[METRICS], result[CHECKPOINT])



class BudgetStopper(tune.Stopper):
    """Ends the whole experiment when the budget is spent or somebody interrupts it."""

    def __init__(self, conductor: Conductor, interrupted: threading.Event) -> None:
        self._conductor, self._interrupted = conductor, interrupted

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

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
        answers: to what attempts ask; None where each has several processes.
    """

    def __init__(
        self, conductor: Conductor, attempts: dict[str, list[Attempt]], errors: Path,
        answers: Answers | None = None,
    ) -> None:  # fmt: skip
        self._conductor, self._attempts, self._errors = conductor, attempts, errors
        self._answers = answers

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        attempts = self._attempts[trial.trial_id]
        for attempt in attempts:
            self._conductor.began(attempt, trial.trial_id if "stack" in trial.config else None)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        for attempt in self._attempts[trial.trial_id]:
            self._conductor.returned(attempt)
        self._forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        attempts, file = self._attempts[trial.trial_id], trial.error_file
        text = Path(file).read_text(encoding="utf-8") if file else ""
        self._forget(trial)
        if "OutOfMemoryError" in text:  # Ray ended it before the machine had to
            _failed(self._conductor, attempts, Cause.MEMORY, text, self._errors)
            return
        text = f"the worker process died: out of memory, or killed\n{text}"
        live = self._conductor.live(attempts)
        reasons = [keep_error(text, self._errors, attempt.number) for attempt in live]
        fail_together(self._conductor, live, [Failure(Cause.LOST, reason) for reason in reasons])

    def _forget(self, trial: Any) -> None:
        if self._answers is not None:
            self._answers.forget(trial.trial_id)


def _failed(
    conductor: Conductor, attempts: list[Attempt], cause: Cause, traceback: str, errors: Path
) -> None:
    live = conductor.live(attempts)
    fail_together(conductor, live, [failure_of(cause, traceback, errors, each.number) for each in live])


def unflattened(result: dict[str, Any]) -> dict[str, Any]:
    """Ray Tune flattens a result for its scheduler; a metric's own name may hold a slash, so by prefix."""
    prefix = f"{METRICS}/"
    metrics = {key.removeprefix(prefix): value for key, value in result.items() if key.startswith(prefix)}
    return {key: value for key, value in result.items() if not key.startswith(prefix)} | {METRICS: metrics}
