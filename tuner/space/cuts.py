"""Cuts: an increasing list of positions, of searched length, as a fixed number of plain distributions.

A sampler learns little from parameters that come and go. So up to `most` cuts are always `most` slots and,
unless the length is fixed, a count: the first `count` slots are used. Slots may hold equal positions, which
`resolve` moves apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import Field, model_validator

from tuner.space.conditions import written_when
from tuner.space.distributions import Conditional, Distribution, NumberDistribution, pair


class Cuts(Conditional):
    """`least` to `most` different positions out of 1 to `positions`, increasing."""

    positions: int = Field(ge=1)
    least: int = Field(ge=1)
    most: int = Field(ge=1)

    @model_validator(mode="after")
    def _possible(self) -> Cuts:
        if not self.least <= self.most <= self.positions:
            got = f"got count [{self.least}, {self.most}] of {self.positions}"
            raise ValueError(f"cuts needs 1 <= count[0] <= count[1] <= positions, {got}")
        return self

    def distributions(self) -> dict[str, Distribution]:
        slots: dict[str, Distribution] = {
            str(slot): NumberDistribution(low=1, high=self.positions, whole=True)
            for slot in range(1, self.most + 1)
        }
        if self.least == self.most:
            return slots
        return {"count": NumberDistribution(low=self.least, high=self.most, whole=True), **slots}

    def decode(self, values: Mapping[str, Any]) -> list[int]:
        slots = [int(values[str(slot)]) for slot in range(1, self.most + 1)]
        return resolve(slots[: int(values.get("count", self.most))], self.positions)

    def encode(self, value: Any) -> dict[str, Any]:
        slots = [*value, *[value[-1]] * (self.most - len(value))]
        encoded = {str(slot): position for slot, position in enumerate(slots, start=1)}
        return encoded if self.least == self.most else {"count": len(value), **encoded}

    def problem(self, value: Any) -> str:
        rule = f"needs {self.least} to {self.most} increasing positions of 1..{self.positions}, got {value!r}"
        if not isinstance(value, list) or not all(type(position) is int for position in value):
            return rule
        increasing = all(a < b for a, b in pairwise(value))
        inside = all(1 <= position <= self.positions for position in value)
        return "" if increasing and inside and self.least <= len(value) <= self.most else rule

    def middle(self) -> list[int]:
        count = (self.least + self.most) // 2
        return [math.floor((i + 1) * (self.positions + 1) / (count + 1)) for i in range(count)]

    def ends(self) -> list[list[int]]:
        return [
            list(range(1, self.least + 1)),
            list(range(self.positions - self.most + 1, self.positions + 1)),
        ]

    def to_dict(self) -> dict[str, Any]:
        own = {"positions": self.positions, "count": [self.least, self.most]}
        return {"cuts": own, **written_when(self.when)}

    def params(self, path: str, value: Any) -> dict[str, Any]:
        above = path[: path.rfind(".") + 1]
        each = {f"{above}cut_{i}": position for i, position in enumerate(value, start=1)}
        # brackets make a single cut text as well: MLflow would read a column with some numbers as numbers
        return {path: f"[{', '.join(map(str, value))}]", **each, f"{above}n_exits": len(value) + 1}


def parse_cuts(given: Any) -> Cuts:
    """Return the dimension of `{positions: 3, count: [1, 3]}`.

    Raises:
        ValueError: another form (pydantic.ValidationError: numbers outside their range).
    """
    if not isinstance(given, dict) or set(given) != {"positions", "count"}:
        raise ValueError(f"cuts needs `{{positions: 3, count: [1, 3]}}`, got {given!r}")
    if type(given["positions"]) is not int:
        raise ValueError(f"cuts needs a whole number of positions, got {given['positions']!r}")
    least, most = pair("cuts needs count: [fewest, most]", given["count"], (int,))
    return Cuts(positions=given["positions"], least=least, most=most)


def resolve(slots: Sequence[int], positions: int) -> list[int]:
    """Move equal positions apart.

    Args:
        slots: at most `positions` numbers from 1 to `positions`, repeats allowed.
        positions: how many positions there are.
    Returns:
        As many strictly increasing positions; a repeated one moves to the nearest free position, of two
        equally near ones to the higher.
    """
    taken: set[int] = set()
    for slot in sorted(slots):
        free = [position for position in range(1, positions + 1) if position not in taken]
        taken.add(min(free, key=lambda position: (abs(position - slot), -position)))
    return sorted(taken)
