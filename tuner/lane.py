"""Attempts one after the other in one trial of Ray's, since Ray Tune takes long to begin one.

Where an answer ends an attempt, it brings the next one. A lane ends with an attempt that failed or returned
by itself, and where the driver has none to follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from tuner.handover import run_beside
from tuner.link import Link, Message
from tuner.metrics import EPOCH, LANE, MEMBER, VALUE
from tuner.objective import Task, run_handing_over


def run_lane(
    task: Task, attempt: dict[str, Any], report: Callable[[Message], None], answer: Callable[[int], Any]
) -> None:
    """Run an attempt and those that follow it.

    Args:
        task: what is common to all trials.
        attempt: `tuner.attempt.Attempt` as a dict.
        report, answer: see `Link`.
    Raises:
        SystemExit: the search ended the lane.
        Exception: whatever an attempt raises; it is the one that the driver knows last.
    """
    link = Link(report, answer)
    following: dict[str, Any] | None = attempt
    while following is not None:
        following = _run(task, following, link)


def _run(task: Task, attempt: dict[str, Any], link: Link) -> dict[str, Any] | None:
    """Run one attempt; the one that follows, or None."""
    following: list[dict[str, Any] | None] = [None]
    asks = attempt["asks"]

    def pass_on(result: dict[str, Any]) -> None:
        message = {MEMBER: [attempt["number"], attempt["count"]], LANE: True, **result}
        if asks is not None and result[EPOCH] not in asks and math.isfinite(result[VALUE]):
            link.tell(message)
            return
        ended, following[0] = link.ask(message)
        if ended:
            raise SystemExit

    try:
        run_beside(partial(run_handing_over, task, attempt), asks, pass_on)
    except SystemExit:
        link.require()
        return following[0]
    return None
