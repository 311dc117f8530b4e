"""Ray Tune's scheduler and stopper of a study."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler

from tuner.controller.attempt import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import FailureCause
from tuner.controller.tracebacks import failure_of
from tuner.execution.messages import CAUSE, CHECKPOINT, EPOCH, METRICS, TRACEBACK
from tuner.execution.stacking.channel import Answers
from tuner.execution.stacking.driver import StackRelay, fail_together
from tuner.journal.record import INTERRUPTED


class StudyScheduler(FIFOScheduler):
    """Ray Tune's scheduler of a study: the controller says after each report whether the attempt goes on.

    Args:
        controller: told of reports and failures.
        attempts: by Ray's trial id.
        errors: folder for the full tracebacks of failed trials.
        answers: to what attempts ask; None where each has several processes.
    """

    def __init__(
        self, controller: Controller, attempts: dict[str, list[Attempt]], errors: Path,
        answers: Answers | None = None,
    ) -> None:  # fmt: skip
        super().__init__()  # type: ignore[no-untyped-call]
        self._controller, self._attempts, self._errors = controller, attempts, errors
        self._stacks = StackRelay(controller, attempts, errors, answers)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return FIFOScheduler, ()  # Ray pickles it for snapshots, of which nothing is used

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return self.STOP if self._ends(trial.trial_id, unflattened(result)) else self.CONTINUE

    def _ends(self, trial_id: str, result: dict[str, Any]) -> bool:
        if self._stacks.takes(result):
            return self._stacks.take(trial_id, result)
        if TRACEBACK in result:
            cause, traceback = FailureCause(result[CAUSE]), result[TRACEBACK]
            _failed(self._controller, self._attempts[trial_id], cause, traceback, self._errors)
            return True
        if EPOCH not in result:  # the trial function returned before it reported
            return True
        (attempt,) = self._attempts[trial_id]
        return self._controller.reported(attempt, result[EPOCH], result[METRICS], result[CHECKPOINT])


class BudgetStopper(tune.Stopper):
    """Ends the whole experiment when the budget is spent or somebody interrupts it."""

    def __init__(self, controller: Controller, interrupted: threading.Event) -> None:
        self._controller, self._interrupted = controller, interrupted

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if self._interrupted.is_set():
            self._controller.interrupt(INTERRUPTED)
        self._controller.watch()
        return bool(self._controller.halted)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return tune.stopper.NoopStopper, ()  # for Ray's snapshots, of which nothing is used


def _failed(
    controller: Controller, attempts: list[Attempt], cause: FailureCause, traceback: str, errors: Path
) -> None:
    live = controller.live(attempts)
    fail_together(controller, live, [failure_of(cause, traceback, errors, each.number) for each in live])


def unflattened(result: dict[str, Any]) -> dict[str, Any]:
    """Ray Tune flattens a result for its scheduler; a metric's own name may hold a slash, so by prefix."""
    prefix = f"{METRICS}/"
    metrics = {key.removeprefix(prefix): value for key, value in result.items() if key.startswith(prefix)}
    return {key: value for key, value in result.items() if not key.startswith(prefix)} | {METRICS: metrics}
