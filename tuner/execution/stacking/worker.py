"""A stack as Ray runs it: attempts at several trials in one process, each reported and stopped by itself."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tuner.controller.retry import cause_of
from tuner.execution.devices import set_devices
from tuner.execution.messages import CAUSE, FREE, MEMBER, OVER, TRACEBACK
from tuner.execution.stacking.link import Link, Message
from tuner.execution.worker import ReportingContext, TrialTask, fetched
from tuner.storage.retention import CheckpointRetention
from tuner.storage.storage import Storage
from tuner.trial_module import load_stack


class MemberContext(ReportingContext):
    """The contract's context of one trial of a stack.

    Args:
        task: what is common to all trials.
        storage: of the task.
        link: to the driver.
        attempt: `tuner.controller.attempt.Attempt` as a dict.

    Attributes:
        left: whether its place in the stack is free again.
    """

    def __init__(self, task: TrialTask, storage: Storage, link: Link, attempt: dict[str, Any]) -> None:
        self._storage, self._link, self._attempt = storage, link, attempt
        self._open, self.left = ExitStack(), False
        self._folder: Path | None = None
        keeper = CheckpointRetention(storage, attempt["number"], attempt["checkpoint"])
        epoch, cloned = attempt["epoch"], attempt["cloned"]
        super().__init__(task.metric, keeper, epoch, None, cloned, self._pass_on)

    @property
    def checkpoint(self) -> Path | None:
        """Folder of an earlier attempt, fetched when it is first asked for.

        Raises:
            StateLostError: it cannot be read.
        """
        name = self._attempt["checkpoint"]
        if name and self._folder is None:
            self._folder = self._open.enter_context(fetched(self._storage, name))
        return self._folder

    def over(self, error: Exception | None) -> None:
        """The trial has ended by itself."""
        self._leave()
        if self._link.broken:
            return
        message: Message = {MEMBER: self._member, OVER: True}
        if error is not None:
            text = "".join(traceback.format_exception(error))
            message |= {CAUSE: cause_of(error).value, TRACEBACK: text}
        self._link.tell(message)

    @property
    def _member(self) -> list[int]:
        return [self._attempt["number"], self._attempt["count"]]

    def _pass_on(self, result: dict[str, Any]) -> None:
        if self._link.ask({MEMBER: self._member, **result}):
            self._leave()
            raise SystemExit

    def _leave(self) -> None:
        self.close()
        self.left = True

    def close(self) -> None:
        """The folder of the earlier attempt is not needed any more."""
        self._open.close()


class Stack:
    """The trials of one stack, those that join it included.

    Args:
        task: what is common to all trials.
        link: to the driver.
    """

    def __init__(self, task: TrialTask, link: Link) -> None:
        self._task, self._link, self._storage = task, link, Storage(task.storage)
        self._there: list[MemberContext] = []

    def join(self, attempts: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], MemberContext]]:
        """Take attempts in; their config and contexts."""
        joined = [MemberContext(self._task, self._storage, self._link, each) for each in attempts]
        self._there += joined
        return [(each["config"], context) for each, context in zip(attempts, joined, strict=True)]

    def close(self) -> None:
        """Nobody is trained any more."""
        for member in self._there:
            member.close()

    def more(self) -> list[tuple[dict[str, Any], MemberContext]]:
        """What the driver has for the free places."""
        self._there = [member for member in self._there if not member.left]
        free = self._task.resources.stack - len(self._there)
        return [] if self._link.broken or not free else self.join(self._link.ask({FREE: free}))


def run_stacked(
    task: TrialTask, attempts: Sequence[dict[str, Any]], report: Callable[[Message], None],
    answer: Callable[[int], Any],
) -> None:  # fmt: skip
    """Run attempts in one stack, and those that the driver has for its free places later.

    Args:
        task: what is common to all trials.
        attempts: `tuner.controller.attempt.Attempt`s as dicts, that can be stacked.
        report, answer: see `Link`.
    Raises:
        SystemExit: the search ended the stack.
        Exception: what failed for all of them.
    """
    set_devices(task.resources)
    run, _ = load_stack(task.trial)
    link = Link(report, answer)
    stack = Stack(task, link)
    members = stack.join(attempts)
    try:
        run([config for config, _ in members], [context for _, context in members], stack.more)
    except SystemExit as quit_by_itself:
        if not link.broken:
            raise RuntimeError(f"the trial called sys.exit({quit_by_itself.code})") from None
    finally:
        stack.close()
    if link.broken:
        raise SystemExit
