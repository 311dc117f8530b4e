"""When a dimension is searched at all: only where others have certain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tuner.errors import SettingError, nearest
from tuner.space.distributions import CategoricalDistribution, Dimension, NumberDistribution, When


def parse_when(given: Any) -> When:
    """`{kind: square, width: [8, 16]}`: a value of another dimension, or a list of such.

    Raises:
        ValueError: another form.
    """
    if not isinstance(given, dict) or not given or [] in given.values():
        raise ValueError(
            f"when needs another dimension's value such as `{{distill.soft: true}}`, got {given!r}"
        )
    return {path: tuple(value) if isinstance(value, list) else (value,) for path, value in given.items()}


def written_when(when: When) -> dict[str, Any]:
    """The condition as it stands in a study file: nothing without one."""
    one_each = {path: values[0] if len(values) == 1 else list(values) for path, values in when.items()}
    return {"when": one_each} if when else {}


def requirements(dimensions: Mapping[str, Dimension]) -> dict[str, When]:
    """What each dimension needs to be active, with what the dimensions that it depends on need themselves.

    Args:
        dimensions: by path.
    Returns:
        For each path the allowed values of all dimensions that decide about it; empty: always active.
    Raises:
        SettingError: a condition on what is not searched or has no such value, a circle, a contradiction.
    """
    for path, dimension in dimensions.items():
        for other, values in dimension.when.items():
            problem = _problem(other, values, dimensions)
            if problem:
                raise SettingError(("search", path, "when", other), problem)
    found: dict[str, When] = {}
    for path in _order(dimensions):
        needs = dict(dimensions[path].when)
        for other in dimensions[path].when:
            for name, values in found[other].items():
                needs[name] = tuple(v for v in needs.get(name, values) if among(v, values))
                if not needs[name]:
                    rule = f"can never be: {other} needs another value of {name}; change one of the two"
                    raise SettingError(("search", path, "when", other), rule)
        found[path] = needs
    return {path: found[path] for path in dimensions}


def among(value: Any, values: tuple[Any, ...]) -> bool:
    """Whether `value` is one of `values`; 1 and True are different."""
    return json.dumps(value) in {json.dumps(each) for each in values}


def holds(needs: When, values: Mapping[str, Any]) -> bool:
    """Whether `values` (by path) are as a requirement wants them; a missing one is not."""
    return all(path in values and among(values[path], allowed) for path, allowed in needs.items())


def _problem(other: str, values: tuple[Any, ...], dimensions: Mapping[str, Dimension]) -> str:
    if other not in dimensions:
        return f"is not searched; {nearest(other, dimensions)}"
    distribution = dimensions[other].distributions().get("")
    if not isinstance(distribution, CategoricalDistribution) and not (
        isinstance(distribution, NumberDistribution) and distribution.whole
    ):
        return "needs a dimension of single values, a choice or an int; make it one of them"
    problems = (dimensions[other].problem(value) for value in values)
    return next((problem for problem in problems if problem), "")


def _order(dimensions: Mapping[str, Dimension]) -> list[str]:
    """Every dimension after those that decide about it."""
    try:
        return list(
            TopologicalSorter({path: each.when.keys() for path, each in dimensions.items()}).static_order()
        )
    except CycleError as error:
        circle: list[str] = error.args[1]
        rule = f"goes in a circle: {' -> '.join(reversed(circle))}; let one of them be free"
        raise SettingError(("search", circle[0], "when"), rule) from error
