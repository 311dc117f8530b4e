"""Answers of the driver to stacks and lanes; Ray Tune answers a report with going on or not, no more.

One actor beside the driver holds each answer until the stack takes it. A question has the stack's name and a
number, counted by the stack from 1.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_AT_ONCE = 100_000  # stacks that wait; asyncio only, no threads


class Desk:
    """The actor: whoever comes first, answer or stack, waits for the other."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[int, asyncio.Future[Any]]] = defaultdict(dict)

    async def give(self, stack: str, question: int, answer: Any) -> None:
        """The driver's answer."""
        self._answer(stack, question).set_result(answer)

    async def take(self, stack: str, question: int) -> Any:
        """Wait for an answer; it is taken once."""
        answer = await self._answer(stack, question)
        self._answers[stack].pop(question, None)
        return answer

    async def forget(self, stack: str) -> None:
        """A stack is over."""
        self._answers.pop(stack, None)

    def _answer(self, stack: str, question: int) -> asyncio.Future[Any]:
        return self._answers[stack].setdefault(question, asyncio.get_running_loop().create_future())


class Answers:
    """The driver's side of a desk of its own."""

    def __init__(self) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        options = {"num_cpus": 0, "scheduling_strategy": here, "max_concurrency": _AT_ONCE}
        self.desk: Any = ray.remote(Desk).options(**options).remote()

    def give(self, stack: str, question: int, answer: Any) -> None:
        """Answer a question; does not wait until it is taken."""
        self.desk.give.remote(stack, question, answer)

    def forget(self, stack: str) -> None:
        """A stack is over."""
        self.desk.forget.remote(stack)

    def close(self) -> None:
        """No more questions come."""
        ray.kill(self.desk)
