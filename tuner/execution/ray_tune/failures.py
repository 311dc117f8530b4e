"""Failures of a Ray trial, passed on to the controller for each of its attempts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tuner.controller.attempts import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import Failure, FailureCause
from tuner.controller.tracebacks import failure_of


def fail_attempts(
    controller: Controller, attempts: Sequence[Attempt], cause: FailureCause, text: str, errors: Path
) -> None:
    """Pass on that a Ray trial failed.

    Args:
        controller: decides what that costs.
        attempts: of the Ray trial, ended ones included.
        cause: why it failed.
        text: traceback, or what Ray says about a process that died.
        errors: folder for tracebacks.
    """
    live = controller.live(attempts)
    fail_together(controller, live, [failure_of(cause, text, errors, each.number) for each in live])


def fail_together(controller: Controller, attempts: Sequence[Attempt], failures: Sequence[Failure]) -> None:
    """Pass on the failures of attempts that ran in one process.

    In a stack it is unknown which member is to blame. So each of several is retried alone, which counts
    neither as a loss nor as an error of its own.

    Args:
        controller: decides what the failures cost.
        attempts: that still ran.
        failures: one for each.
    """
    if len(attempts) == 1:
        controller.failed(attempts[0], failures[0])
        return
    for attempt, failure in zip(attempts, failures, strict=True):
        reason = f"its stack of {len(attempts)} trials failed: {failure.reason}"
        controller.failed(attempt, Failure(FailureCause.STACK, reason, failure.trace))
    if failures and controller.stacking.lost(f"{failures[0].cause} {failures[0].trace}"):
        why = f"three stacks failed with the same error ({failures[0].reason})"
        print(f"warning: {why}; trials now run one by one; lower resources.stack", file=sys.stderr)
