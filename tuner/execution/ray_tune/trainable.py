"""The function trainable of Ray Tune."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from tuner.controller.retry import cause_of
from tuner.execution.messages import CAUSE, TRACEBACK, VALUE
from tuner.execution.worker import GroupError, TrialTask, run_attempt


def build_trainable(task: TrialTask) -> Callable[[dict[str, Any]], None]:
    """What Ray runs for attempts one after the other, or for a stack of them.

    Its config is the first `tuner.controller.attempt.Attempt` as a dict; of a stack with all of them as `stack`.
    """

    def objective(config: dict[str, Any]) -> None:
        from ray import tune

        from tuner.execution.ray_tune.process_group import run_group

        try:
            if task.resources.workers > 1:
                run_group(task, config, tune.report)
            else:
                _run_several(task, config)
        except GroupError as error:
            tune.report({VALUE: 0.0, CAUSE: error.cause, TRACEBACK: str(error)})
        except Exception as error:  # noqa: BLE001 - of whatever kind: the driver decides what it costs
            told = {VALUE: 0.0, CAUSE: cause_of(error).value, TRACEBACK: traceback.format_exc()}
            tune.report(told)

    return objective


def _run_several(task: TrialTask, config: dict[str, Any]) -> None:
    """One attempt, or several side by side in a stack."""
    import ray
    from ray import tune

    from tuner.execution.stacking.worker import run_stacked

    name = tune.get_context().get_trial_id()

    def answer(question: int) -> Any:
        return ray.get(task.desk.take.remote(name, question))

    if "stack" in config:
        run_stacked(task, config["stack"], tune.report, answer)
    else:
        run_attempt(task, config, tune.report)
