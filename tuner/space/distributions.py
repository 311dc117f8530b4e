"""The protocol of a search dimension, and the plain distributions that samplers draw from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import Field

from tuner.strict import Strict

When = Mapping[str, tuple[Any, ...]]  # path of another dimension -> values with which this one is active


class NumberDistribution(Strict):
    """Numbers between two ends, both included; `log`: uniform on a logarithmic scale; `whole`: integers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


class CategoricalDistribution(Strict):
    """One of several labels."""

    labels: tuple[str, ...]


Distribution = NumberDistribution | CategoricalDistribution


class Conditional(Strict):
    """Base of dimensions: may be searched only where other dimensions have certain values."""

    when: dict[str, tuple[Any, ...]] = Field(default_factory=dict)


class Dimension(Protocol):
    """One searched value, made of one or more plain distributions."""

    @property
    def when(self) -> When:
        """Values of other dimensions with which this one is active; empty: always."""
        ...

    def distributions(self) -> dict[str, Distribution]:
        """Return its plain distributions by name; a single one is named ""."""
        ...

    def decode(self, values: Mapping[str, Any]) -> Any:
        """Return the value that encoded values stand for."""
        ...

    def encode(self, value: Any) -> dict[str, Any]:
        """Return encoded values that decode to `value`."""
        ...

    def problem(self, value: Any) -> str:
        """Return why `value` is not in this dimension, or ""."""
        ...

    def middle(self) -> Any:
        """Return a central value."""
        ...

    def ends(self) -> list[Any]:
        """Return the values at its borders."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the dimension as a study file writes it."""
        ...

    def params(self, path: str, value: Any) -> dict[str, Any]:
        """Return the value as flat parameters for tables and plots; `path` is the dimension's."""
        ...


def pair(rule: str, given: Any, kinds: tuple[type, ...]) -> list[Any]:
    """Return two numbers from a study file.

    Args:
        rule: beginning of the error message.
        given: the value in the file.
        kinds: the allowed types, `int` alone or with `float`.
    Raises:
        ValueError: anything but a list of two such numbers.
    """
    if isinstance(given, list) and len(given) == 2 and all(type(end) in kinds for end in given):
        return list(given)
    what = "two whole numbers" if kinds == (int,) else "two numbers"
    raise ValueError(f"{rule}, {what}, got {given!r}")
