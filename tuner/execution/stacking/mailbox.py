"""The mailbox: an actor beside the driver that holds answers until the stacks take them.

It may die like any process. The driver remembers its last answer to each stack, and a stack has one open
question at most, so a new mailbox with these answers replaces a dead one without loss.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tuner.execution.stacking.channel import MailboxLostError

PREFIX = "stack-mailbox-"  # of the actor's name
_AT_ONCE = 100_000  # stacks that wait at the same time; asyncio only, no threads


class Mailbox:
    """The actor. Whichever of answer and question comes first waits for the other."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[int, asyncio.Future[Any]]] = defaultdict(dict)

    async def give(self, stack: str, question: int, answer: Any) -> None:
        """Store an answer; giving it again changes nothing."""
        future = self._answer(stack, question)
        if not future.done():
            future.set_result(answer)
        for earlier in [number for number in self._answers[stack] if number < question]:
            del self._answers[stack][earlier]

    async def take(self, stack: str, question: int) -> Any:
        """Return an answer, waiting for it."""
        return await self._answer(stack, question)

    async def forget(self, stack: str) -> None:
        """Remove the answers to a stack that is over."""
        self._answers.pop(stack, None)

    def _answer(self, stack: str, question: int) -> asyncio.Future[Any]:
        return self._answers[stack].setdefault(question, asyncio.get_running_loop().create_future())


class DriverMailbox:
    """The driver's handle on its mailbox.

    Attributes:
        name: of the actor, by which stacks find it.
    """

    def __init__(self) -> None:
        self.name = f"{PREFIX}{secrets.token_hex(4)}"
        self._last: dict[str, tuple[int, Any]] = {}
        self._actor = self._running()

    def answered(self, stack: str, question: int) -> bool:
        """Return whether a question was answered: the stack asks again, so it found the mailbox dead."""
        return question <= self._last.get(stack, (0, None))[0]

    def give(self, stack: str, question: int, answer: Any) -> None:
        """Answer a question; does not wait until the answer is taken."""
        self._last[stack] = (question, answer)
        self._actor.give.remote(stack, question, answer)

    def repeat(self) -> None:
        """Give the last answer of every stack again, to a new mailbox if the old one has died.

        Other stacks may have lost theirs too. If the mailbox lives, because another stack was the first to
        notice, nothing changes.
        """
        self._actor = self._running()
        for stack, (question, answer) in self._last.items():
            self._actor.give.remote(stack, question, answer)

    def forget(self, stack: str) -> None:
        """Remove the answers to a stack that is over."""
        self._last.pop(stack, None)
        self._actor.forget.remote(stack)

    def close(self) -> None:
        """End the actor."""
        ray.kill(self._actor)

    def _running(self) -> Any:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        options = {"num_cpus": 0, "scheduling_strategy": here, "max_concurrency": _AT_ONCE}
        return ray.remote(Mailbox).options(name=self.name, get_if_exists=True, **options).remote()


def reader(mailbox: str, stack: str) -> Callable[[int], Any]:
    """Return a function that takes the answer to a question of a stack.

    Args:
        mailbox: the actor's name.
        stack: id of the Ray trial.
    """

    def take(question: int) -> Any:
        try:
            return ray.get(ray.get_actor(mailbox).take.remote(stack, question))
        except (RayActorError, ValueError) as error:  # ValueError: no living actor has that name
            raise MailboxLostError from error

    return take
