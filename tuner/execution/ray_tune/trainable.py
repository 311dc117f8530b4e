"""The function trainable of Ray Tune."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from tuner.controller.retry import cause_of
from tuner.execution.messages import CAUSE, TRACEBACK
from tuner.execution.worker import GroupError, TrialTask, run_attempt


def build_trainable(task: TrialTask) -> Callable[[dict[str, Any]], None]:
    """Return the function that Ray Tune runs for each attempt, or for a stack of them.

    Its config comes from `tuner.execution.ray_tune.searcher`. An exception is reported, not raised: Ray would
    end the process, and the next attempt would have to start and import anew.
    """

    def attempt(config: dict[str, Any]) -> None:
        from ray import tune

        try:
            _run(task, config, tune.report)
        except GroupError as error:
            tune.report({CAUSE: error.cause, TRACEBACK: str(error)})
        except Exception as error:  # noqa: BLE001 - the controller decides what any error costs
            tune.report({CAUSE: cause_of(error).value, TRACEBACK: traceback.format_exc()})

    return attempt


def _run(task: TrialTask, config: dict[str, Any], report: Callable[[dict[str, Any]], None]) -> None:
    if task.resources.workers > 1:
        from tuner.execution.ray_tune.process_group import run_group

        run_group(task, config, report)
    elif "stack" in config:
        from ray import tune

        from tuner.execution.stacking.mailbox import reader
        from tuner.execution.stacking.worker import run_members

        answers = reader(str(task.mailbox), tune.get_context().get_trial_id())
        run_members(task, config["stack"], report, answers)
    else:
        run_attempt(task, config, report)
