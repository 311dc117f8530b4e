"""Ray Tune callback: passes begins, ends and deaths of Ray trials to the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from tuner.controller.attempts import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import FailureCause
from tuner.execution.ray_tune.failures import fail_attempts
from tuner.execution.stacking.driver import StackDriver


class StudyCallback(tune.Callback):
    """The begin and the end of each Ray trial; its reports arrive at `StudyScheduler`.

    Args:
        controller: receives them.
        attempts: of each Ray trial, by its id.
        errors: folder for what Ray says about a process that died.
        stacks: the driver's side of stacks; None without stacks.
    """

    def __init__(
        self, controller: Controller, attempts: dict[str, list[Attempt]], errors: Path,
        stacks: StackDriver | None = None,
    ) -> None:  # fmt: skip
        self._controller, self._attempts, self._errors = controller, attempts, errors
        self._stacks = stacks

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles callbacks for snapshots, which are not used

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        for attempt in self._attempts[trial.trial_id]:
            self._controller.began(attempt, trial.trial_id if "stack" in trial.config else None)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        for attempt in self._attempts[trial.trial_id]:
            self._controller.returned(attempt)
        self._forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on the death of a process; exceptions of trial functions arrive as reports."""
        text = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
        self._forget(trial)
        cause = FailureCause.MEMORY
        if "OutOfMemoryError" not in text:  # with it, Ray's memory monitor ended the process
            cause = FailureCause.LOST
            text = f"the worker process died: out of memory, or killed\n{text}"
        fail_attempts(self._controller, self._attempts[trial.trial_id], cause, text, self._errors)

    def _forget(self, trial: Any) -> None:
        if self._stacks is not None:
            self._stacks.forget(trial.trial_id)
