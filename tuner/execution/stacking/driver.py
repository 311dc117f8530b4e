"""What stacks and lanes say of their trials, told to the controller, and the controller's answers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuner.controller.attempt import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import Failure, FailureCause
from tuner.controller.tracebacks import failure_of
from tuner.execution.messages import ASKED, CAUSE, CHECKPOINT, EPOCH, FREE, MEMBER, METRICS, OVER, TRACEBACK
from tuner.execution.stacking.channel import Answers


class StackRelay:
    """Takes the messages of `tuner.execution.stacking.worker`.

    Args:
        controller: told of them.
        attempts: by Ray's trial id, those that joined a stack included.
        errors: folder for the full tracebacks of failed trials.
        answers: where stacks take them; None where there are no stacks.
    """

    def __init__(
        self,
        controller: Controller,
        attempts: dict[str, list[Attempt]],
        errors: Path,
        answers: Answers | None,
    ) -> None:
        self._controller, self._attempts = controller, attempts
        self._errors, self._answers = errors, answers
        self._answered: dict[str, int] = {}

    def takes(self, result: dict[str, Any]) -> bool:
        """Whether a result of Ray's is such a message."""
        return MEMBER in result or FREE in result

    def take(self, stack: str, result: dict[str, Any]) -> bool:
        """Take one message; whether the whole stack or lane ends with it, as the search does.

        Ray shows the last message of a stack that is over a second time; then nobody waits for an answer.
        """
        if ASKED in result:
            if result[ASKED] <= self._answered.get(stack, 0):
                return True
            self._answered[stack] = result[ASKED]
        if FREE in result:
            self._answer(stack, result, self._joining(stack, result[FREE]))
            return bool(self._controller.halted)
        attempt = self._member(stack, *result[MEMBER])
        if OVER in result:
            self._over(attempt, result)
            return bool(self._controller.halted)
        ended = self._controller.reported(attempt, result[EPOCH], result[METRICS], result[CHECKPOINT])
        self._answer(stack, result, ended)
        return bool(self._controller.halted)

    def _joining(self, stack: str, free: int) -> list[dict[str, Any]]:
        attempts = self._attempts[stack]
        key = attempts[0].key  # of then: what has failed since may have changed the trial
        joining = [] if key is None else self._controller.joining(key, free)
        for attempt in joining:
            self._controller.began(attempt, stack)
        attempts += joining
        return [asdict(each) for each in joining]

    def _over(self, attempt: Attempt, result: dict[str, Any]) -> None:
        if TRACEBACK not in result:
            self._controller.returned(attempt)
            return
        cause = FailureCause(result[CAUSE])
        self._controller.failed(attempt, failure_of(cause, result[TRACEBACK], self._errors, attempt.number))

    def _member(self, stack: str, number: int, count: int) -> Attempt:
        members = self._attempts[stack]
        return next(each for each in members if (each.number, each.count) == (number, count))

    def _answer(self, stack: str, result: dict[str, Any], answer: Any) -> None:
        if self._answers is not None and ASKED in result:
            self._answers.give(stack, result[ASKED], answer)


def fail_together(controller: Controller, attempts: Sequence[Attempt], failures: Sequence[Failure]) -> None:
    """All that ran in one process failed at once; of several it is not known whose fault that was.

    So each of several goes on alone, at no cost to it.

    Args:
        controller: told of it.
        attempts: those that still ran.
        failures: of each.
    """
    if len(attempts) == 1:
        controller.failed(attempts[0], failures[0])
        return
    for attempt, failure in zip(attempts, failures, strict=True):
        reason = f"its stack of {len(attempts)} trials failed: {failure.reason}"
        controller.failed(attempt, Failure(FailureCause.STACK, reason, failure.trace))
    if failures and controller.stacking.lost(f"{failures[0].cause} {failures[0].trace}"):
        why = f"three stacks failed alike, the last one's reason: {failures[0].reason}"
        print(f"warning: {why}; from now on trials run alone; lower resources.stack", file=sys.stderr)
