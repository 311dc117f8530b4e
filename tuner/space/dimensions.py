"""The kinds of search dimension: float, log, int and choice; cuts are in their own file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tuner.errors import nearest
from tuner.space.conditions import parse_when, written_when
from tuner.space.cuts import Cuts, parse_cuts
from tuner.space.distributions import (
    CategoricalDistribution,
    Conditional,
    Dimension,
    Distribution,
    NumberDistribution,
    pair,
)

NumberKind = Literal["float", "log", "int"]


class Number(Conditional):
    """The kinds float, log and int: a number between two ends, both included."""

    kind: NumberKind
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Number:
        if not self.low < self.high:
            way_out = "put a single value into `settings`"
            raise ValueError(f"{self.kind} needs low < high, got {self.ends()}; {way_out}")
        if self.kind == "log" and not self.low > 0:
            raise ValueError(f"log needs low > 0, got {self.ends()}; raise the low end or use float")
        return self

    def distributions(self) -> dict[str, Distribution]:
        return {
            "": NumberDistribution(
                low=self.low, high=self.high, log=self.kind == "log", whole=self.kind == "int"
            )
        }

    def decode(self, values: Mapping[str, Any]) -> float | int:
        return self._cast(values[""])

    def encode(self, value: Any) -> dict[str, Any]:
        return {"": self._cast(value)}

    def problem(self, value: Any) -> str:
        kinds = (int,) if self.kind == "int" else (int, float)
        if type(value) in kinds and self.low <= value <= self.high:
            return ""
        what = "a whole number" if self.kind == "int" else "a number"
        return f"needs {what} within {self.ends()}, got {value!r}"

    def middle(self) -> float | int:
        if self.kind == "log":
            return math.sqrt(self.low) * math.sqrt(self.high)
        middle = self.low / 2 + self.high / 2
        return math.floor(middle) if self.kind == "int" else middle

    def ends(self) -> list[Any]:
        return [self._cast(self.low), self._cast(self.high)]

    def to_dict(self) -> dict[str, Any]:
        return {self.kind: self.ends(), **written_when(self.when)}

    def params(self, path: str, value: Any) -> dict[str, Any]:
        return {path: value}

    def _cast(self, value: float) -> float | int:
        return int(value) if self.kind == "int" else float(value)


class Choice(Conditional):
    """The kind choice: one of several plain values of any type."""

    values: tuple[Any, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _distinct(self) -> Choice:
        if len(set(self._labels())) < len(self.values):
            raise ValueError(
                f"choice needs different values, got {list(self.values)}; remove the repeated one"
            )
        return self

    def distributions(self) -> dict[str, Distribution]:
        return {"": CategoricalDistribution(labels=self._labels())}

    def decode(self, values: Mapping[str, Any]) -> Any:
        return json.loads(values[""])

    def encode(self, value: Any) -> dict[str, Any]:
        return {"": json.dumps(value)}

    def problem(self, value: Any) -> str:
        return (
            "" if json.dumps(value) in self._labels() else f"needs one of {list(self.values)}, got {value!r}"
        )

    def middle(self) -> Any:
        return self.values[0]

    def ends(self) -> list[Any]:
        return list(self.values)

    def to_dict(self) -> dict[str, Any]:
        return {"choice": list(self.values), **written_when(self.when)}

    def params(self, path: str, value: Any) -> dict[str, Any]:
        return {path: value if isinstance(value, str) else json.dumps(value)}

    def _labels(self) -> tuple[str, ...]:
        return tuple(json.dumps(value) for value in self.values)


def parse_dimension(written: Any) -> Dimension:
    """Return a dimension from its mapping in a study file (`{log: [1, 8]}`, a condition in `when`).

    Raises:
        ValueError: an unknown kind (with the nearest) or arguments of the wrong form
            (pydantic.ValidationError: arguments outside their range).
    """
    if not isinstance(written, dict) or len(written.keys() - {"when"}) != 1:
        raise ValueError(f"needs one kind with its arguments such as `{{float: [0, 1]}}`, got {written!r}")
    (kind,) = written.keys() - {"when"}
    dimension = _parse(kind, written[kind])
    when = parse_when(written["when"]) if "when" in written else {}
    return dimension.model_copy(update={"when": when})


def _parse(kind: Any, given: Any) -> Number | Choice | Cuts:
    if kind == "int":
        low, high = pair("int needs [low, high]", given, (int,))
        return Number(kind="int", low=low, high=high)
    if kind == "float" or kind == "log":
        low, high = pair(f"{kind} needs [low, high]", given, (int, float))
        return Number(kind=kind, low=low, high=high)
    if kind == "choice":
        return _choice(given)
    if kind == "cuts":
        return parse_cuts(given)
    raise ValueError(f"unknown kind `{kind}`; {nearest(kind, ('float', 'log', 'int', 'choice', 'cuts'))}")


def _choice(given: Any) -> Choice:
    if not isinstance(given, list) or len(given) < 2:
        raise ValueError(f"choice needs a list of at least two values, got {given!r}")
    return Choice(values=tuple(given))
