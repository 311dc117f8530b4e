"""What a dimension of a search is, and the plain encoded a sampler turns for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import Field

from tuner.strict import Strict

When = Mapping[str, tuple[Any, ...]]  # path of another dimension -> the values with which this one is active


class NumberDistribution(Strict):
    """A distribution: a number between two ends, both included; `log` spreads it evenly in the logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


class CategoricalDistribution(Strict):
    """A distribution: one of some texts."""

    labels: tuple[str, ...]


Distribution = NumberDistribution | CategoricalDistribution


class Conditional(Strict):
    """What may be searched only where other dimensions have certain values."""

    when: dict[str, tuple[Any, ...]] = Field(default_factory=dict)


class Dimension(Protocol):
    """One searched value."""

    @property
    def when(self) -> When:
        """Values of other dimensions with which it is active; empty: always."""
        ...

    def distributions(self) -> dict[str, Distribution]:
        """Its encoded by name; "" is the name of an only one."""
        ...

    def decode(self, values: Mapping[str, Any]) -> Any:
        """The value that distribution values stand for."""
        ...

    def encode(self, value: Any) -> dict[str, Any]:
        """Distribution values that decode to `value`."""
        ...

    def problem(self, value: Any) -> str:
        """Why `value` is not of this dimension, or ""."""
        ...

    def middle(self) -> Any:
        """A central value."""
        ...

    def ends(self) -> list[Any]:
        """The values at its borders."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The dimension as it stands in a study file."""
        ...

    def params(self, path: str, value: Any) -> dict[str, Any]:
        """The value as flat parameters for a table or a plot; `path` is the dimension's own."""
        ...


def pair(rule: str, given: Any, kinds: tuple[type, ...]) -> list[Any]:
    """Two numbers as a study file gives them.

    Args:
        rule: begins the message.
        given: what stands there.
        kinds: the allowed types, `int` alone or with `float`.
    Raises:
        ValueError: anything else than a list of two such numbers.
    """
    if isinstance(given, list) and len(given) == 2 and all(type(end) in kinds for end in given):
        return list(given)
    what = "two whole numbers" if kinds == (int,) else "two numbers"
    raise ValueError(f"{rule}, {what}, got {given!r}")
