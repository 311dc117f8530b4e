"""What every benchmark says: two ways of doing the same, measured in turns, and a goal for their ratio."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

GATE = 0.7  # share of a goal that a noisy machine must still reach


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        figure: what is compared.
        ours, reference: medians of both sides.
        unit: theirs.
        ratio: what the goal is set for; which of the two is divided by which follows from the unit.
        goal: goal of the ratio; None for a row shown for comparison.
        at_most: whether the ratio should be at most the goal, instead of at least.
        deviation: how far the results of both sides are apart, in words; "equal" where they are.
        note: how it was measured, or why the goal is missed.
    """

    figure: str
    ours: float
    reference: float
    unit: str
    ratio: float
    goal: float | None
    deviation: str
    at_most: bool = False
    note: str = ""

    @property
    def passes(self) -> bool:
        """Whether the ratio is within the gate; NaN is not."""
        if self.goal is None:
            return True
        return self.ratio <= self.goal / GATE if self.at_most else self.ratio >= self.goal * GATE

    @property
    def verdict(self) -> str:
        """Goal reached, gate reached, or missed."""
        if self.goal is None:
            return ""
        reached = self.ratio <= self.goal if self.at_most else self.ratio >= self.goal
        return "reached" if reached else "within the gate" if self.passes else "**missed**"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def in_turns(
    sides: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Median seconds of each side; every round runs all of them once, in random order, after one unmeasured.

    Args:
        sides: by name.
        repeats: rounds.
        clock: of the process by default, so that other work on the machine counts less; `time.perf_counter`
            where a side waits or has processes of its own.
    """
    order = random.Random(1)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for round_number in range(repeats + 1):
        for name in order.sample(sorted(sides), len(sides)):
            began = clock()
            sides[name]()
            if round_number:
                seconds[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    lines = ["| figure | ours | reference | unit | ratio | goal | | deviation |", "|" + "---|" * 8]
    for row in rows:
        sign = "" if row.goal is None else f"{'<=' if row.at_most else '>='} {row.goal:g}"
        lines.append(
            f"| {row.figure} | {row.ours:.4g} | {row.reference:.4g} | {row.unit} | {row.ratio:.3g} "
            f"| {sign} | {row.verdict} | {row.deviation} |"
        )
    notes = [f"- {row.figure}: {row.note}" for row in rows if row.note]
    return "\n".join([*lines, "", *notes]).rstrip() + "\n"
