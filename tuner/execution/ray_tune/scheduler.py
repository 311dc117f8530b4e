"""Ray Tune scheduler and stopper: reports go to the controller, its decision goes back to Ray Tune."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler

from tuner.controller.attempts import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import FailureCause
from tuner.execution.messages import CAUSE, CHECKPOINT, EPOCH, METRICS, TRACEBACK
from tuner.execution.ray_tune.failures import fail_attempts
from tuner.execution.stacking.driver import StackDriver
from tuner.journal.record import INTERRUPTED


class StudyScheduler(FIFOScheduler):
    """Starts Ray trials in the order of the searcher, and stops one when its attempt ends.

    Args:
        controller: decides after each report.
        attempts: of each Ray trial, by its id.
        errors: folder for tracebacks.
        stacks: the driver's side of stacks; None without stacks.
    """

    def __init__(
        self, controller: Controller, attempts: dict[str, list[Attempt]], errors: Path,
        stacks: StackDriver | None = None,
    ) -> None:  # fmt: skip
        super().__init__()  # type: ignore[no-untyped-call]
        self._controller, self._attempts, self._errors = controller, attempts, errors
        self._stacks = stacks

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return FIFOScheduler, ()  # Ray pickles the scheduler for snapshots, which are not used

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return self.STOP if self._ends(trial.trial_id, nested(result)) else self.CONTINUE

    def _ends(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Pass a message of a Ray trial on; return whether the Ray trial ends with it."""
        if self._stacks is not None and self._stacks.handles(result):
            return self._stacks.handle(trial_id, result)
        attempts = self._attempts[trial_id]
        if TRACEBACK in result:
            cause = FailureCause(result[CAUSE])
            fail_attempts(self._controller, attempts, cause, result[TRACEBACK], self._errors)
            return True
        (attempt,) = attempts
        return self._controller.reported(attempt, result[EPOCH], result[METRICS], result[CHECKPOINT])


class BudgetStopper(tune.Stopper):
    """Ends the whole experiment when the budget is spent or the search is interrupted; never a single trial.

    Args:
        controller: halted by either.
        interrupted: set by a signal.
    """

    def __init__(self, controller: Controller, interrupted: threading.Event) -> None:
        self._controller, self._interrupted = controller, interrupted

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if self._interrupted.is_set():
            self._controller.interrupt(INTERRUPTED)
        self._controller.check_budget()
        return bool(self._controller.halted)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return tune.stopper.NoopStopper, ()  # Ray pickles the stopper for snapshots, which are not used


def nested(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result with its metrics as a dict again.

    Ray Tune flattens results for schedulers (`metrics/dev/loss`). Names of metrics contain slashes, so only
    the first part is taken off.
    """
    prefix = f"{METRICS}/"
    metrics = {key.removeprefix(prefix): value for key, value in result.items() if key.startswith(prefix)}
    return {key: value for key, value in result.items() if not key.startswith(prefix)} | {METRICS: metrics}
