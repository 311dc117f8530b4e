"""What Ray Tune says of its trials, told to the controller; one of Ray's is an attempt or a stack of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from tuner.controller.attempt import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import Failure, FailureCause
from tuner.controller.tracebacks import keep_error
from tuner.execution.ray_tune.scheduler import _failed
from tuner.execution.stacking.channel import Answers
from tuner.execution.stacking.driver import fail_together


class StudyCallback(tune.Callback):
    """Told of attempts that begin or are over; Ray pickles callbacks for snapshots, of which nothing is used.

    Args:
        controller: told of it.
        attempts: by Ray's trial id.
        errors: folder for what Ray says of a process that died.
        answers: to what attempts ask; None where each has several processes.
    """

    def __init__(
        self, controller: Controller, attempts: dict[str, list[Attempt]], errors: Path,
        answers: Answers | None = None,
    ) -> None:  # fmt: skip
        self._controller, self._attempts, self._errors = controller, attempts, errors
        self._answers = answers

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        attempts = self._attempts[trial.trial_id]
        for attempt in attempts:
            self._controller.began(attempt, trial.trial_id if "stack" in trial.config else None)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        for attempt in self._attempts[trial.trial_id]:
            self._controller.returned(attempt)
        self._forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        attempts, file = self._attempts[trial.trial_id], trial.error_file
        text = Path(file).read_text(encoding="utf-8") if file else ""
        self._forget(trial)
        if "OutOfMemoryError" in text:  # Ray ended it before the machine had to
            _failed(self._controller, attempts, FailureCause.MEMORY, text, self._errors)
            return
        text = f"the worker process died: out of memory, or killed\n{text}"
        live = self._controller.live(attempts)
        reasons = [keep_error(text, self._errors, attempt.number) for attempt in live]
        fail_together(self._controller, live, [Failure(FailureCause.LOST, reason) for reason in reasons])

    def _forget(self, trial: Any) -> None:
        if self._answers is not None:
            self._answers.forget(trial.trial_id)
