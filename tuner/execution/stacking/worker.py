"""A stack in its process: attempts at several trials, each reported and ended by itself."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tuner.controller.retry import cause_of
from tuner.execution.devices import set_devices
from tuner.execution.messages import CAUSE, TRACEBACK
from tuner.execution.stacking.channel import FREE, MEMBER, OVER, Channel, Message
from tuner.execution.worker import ReportingContext, TrialTask, fetched
from tuner.storage.retention import CheckpointRetention
from tuner.storage.storage import Storage
from tuner.trial_module import TrialModule


class MemberContext(ReportingContext):
    """The context of one member of a stack.

    Args:
        task: what all attempts have in common.
        storage: of the task.
        channel: to the driver.
        attempt: a `tuner.controller.attempts.Attempt` as a dict.

    Attributes:
        left: the member has ended, and another trial may join.
    """

    def __init__(self, task: TrialTask, storage: Storage, channel: Channel, attempt: dict[str, Any]) -> None:
        self._storage, self._channel, self._attempt = storage, channel, attempt
        self._open, self.left = ExitStack(), False
        self._folder: Path | None = None
        retention = CheckpointRetention(storage, attempt["number"], attempt["checkpoint"])
        epoch, cloned = attempt["epoch"], attempt["cloned"]
        super().__init__(task.metric, retention, epoch, None, cloned, self._ask)

    @property
    def checkpoint(self) -> Path | None:
        """Folder to resume from, or None; fetched at the first call.

        Raises:
            StateLostError: it cannot be read.
        """
        name = self._attempt["checkpoint"]
        if name and self._folder is None:
            self._folder = self._open.enter_context(fetched(self._storage, name))
        return self._folder

    def over(self, error: Exception | None) -> None:
        """Report that the trial has ended by itself, with an error or without."""
        self._leave()
        if self._channel.closed:
            return
        message: Message = {MEMBER: self._member, OVER: True}
        if error is not None:
            text = "".join(traceback.format_exception(error))
            message |= {CAUSE: cause_of(error).value, TRACEBACK: text}
        self._channel.send(message)

    def close(self) -> None:
        """Remove the local copy of the checkpoint."""
        self._open.close()

    @property
    def _member(self) -> list[int]:
        return [self._attempt["number"], self._attempt["count"]]

    def _ask(self, report: Message) -> None:
        if self._channel.ask({MEMBER: self._member, **report}):
            self._leave()
            raise SystemExit

    def _leave(self) -> None:
        self.close()
        self.left = True


class Stack:
    """The members of one stack.

    Args:
        task: what all attempts have in common.
        channel: to the driver.
    """

    def __init__(self, task: TrialTask, channel: Channel) -> None:
        self._task, self._channel, self._storage = task, channel, Storage(task.storage)
        self._members: list[MemberContext] = []

    def join(self, attempts: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], MemberContext]]:
        """Add attempts; return the config and context of each."""
        joined = [MemberContext(self._task, self._storage, self._channel, each) for each in attempts]
        self._members += joined
        return [(each["config"], context) for each, context in zip(attempts, joined, strict=True)]

    def more(self) -> list[tuple[dict[str, Any], MemberContext]]:
        """Ask the driver for attempts that join; return the config and context of each."""
        self._members = [member for member in self._members if not member.left]
        free = self._task.resources.stack - len(self._members)
        return [] if self._channel.closed or not free else self.join(self._channel.ask({FREE: free}))

    def close(self) -> None:
        """Remove the local copies of all checkpoints."""
        for member in self._members:
            member.close()


def run_members(
    task: TrialTask, attempts: Sequence[dict[str, Any]], report: Callable[[Message], None],
    take: Callable[[int], Any],
) -> None:  # fmt: skip
    """Run attempts as one stack, and those that join it later.

    Args:
        task: what all attempts have in common.
        attempts: `tuner.controller.attempts.Attempt`s as dicts, of one key.
        report, take: see `Channel`.
    Raises:
        SystemExit: the search ended the stack.
        Exception: what failed for all members.
    """
    set_devices(task.resources)
    run = TrialModule(task.trial).require("run_stack", "`resources.stack` needs")
    channel = Channel(report, take)
    stack = Stack(task, channel)
    members = stack.join(attempts)
    try:
        run([config for config, _ in members], [context for _, context in members], stack.more)
    except SystemExit as own_exit:
        if not channel.closed:
            raise RuntimeError(f"the trial called sys.exit({own_exit.code})") from None
    finally:
        stack.close()
    if channel.closed:
        raise SystemExit
