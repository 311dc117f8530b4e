"""The driver's side of stacks: their messages go to the controller, its answers to the mailbox."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from tuner.controller.attempts import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import FailureCause
from tuner.controller.tracebacks import failure_of
from tuner.execution.messages import CAUSE, CHECKPOINT, EPOCH, METRICS, TRACEBACK
from tuner.execution.stacking.channel import FREE, MEMBER, OVER, QUESTION


class AnswerSink(Protocol):
    """Where answers go; see `tuner.execution.stacking.mailbox.DriverMailbox`."""

    def answered(self, stack: str, question: int) -> bool: ...
    def give(self, stack: str, question: int, answer: Any) -> None: ...
    def repeat(self) -> None: ...
    def forget(self, stack: str) -> None: ...


class StackDriver:
    """Handles the messages of `tuner.execution.stacking.worker`.

    Args:
        controller: decides.
        attempts: of each Ray trial, by its id; those that join a stack are added.
        errors: folder for tracebacks.
        mailbox: takes the answers.
    """

    def __init__(
        self, controller: Controller, attempts: dict[str, list[Attempt]], errors: Path, mailbox: AnswerSink
    ) -> None:
        self._controller, self._attempts = controller, attempts
        self._errors, self._mailbox = errors, mailbox

    def handles(self, result: dict[str, Any]) -> bool:
        """Return whether a result of Ray Tune is a message of a stack."""
        return MEMBER in result or FREE in result

    def handle(self, stack: str, result: dict[str, Any]) -> bool:
        """Handle one message; return whether the whole stack ends with it, as it does with the search."""
        if OVER in result:
            self._over(self._member(stack, result), result)
        elif self._mailbox.answered(stack, result[QUESTION]):
            self._mailbox.repeat()
        else:
            self._mailbox.give(stack, result[QUESTION], self._answer(stack, result))
        return bool(self._controller.halted)

    def forget(self, stack: str) -> None:
        """Forget a stack that is over."""
        self._mailbox.forget(stack)

    def _answer(self, stack: str, result: dict[str, Any]) -> Any:
        """Return the attempts that join the stack, or whether a member's attempt ends with its report."""
        if FREE in result:
            return self._joining(stack, result[FREE])
        attempt = self._member(stack, result)
        return self._controller.reported(attempt, result[EPOCH], result[METRICS], result[CHECKPOINT])

    def _joining(self, stack: str, free: int) -> list[dict[str, Any]]:
        attempts = self._attempts[stack]
        key = attempts[0].key  # as the stack began: a failure since may have changed its first trial's config
        joining = [] if key is None else self._controller.next_for_stack(key, free)
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

    def _member(self, stack: str, result: dict[str, Any]) -> Attempt:
        number, count = result[MEMBER]
        members = self._attempts[stack]
        return next(each for each in members if (each.number, each.count) == (number, count))
