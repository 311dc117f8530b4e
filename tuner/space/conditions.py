"""Conditions: a dimension with `when` is searched only where other dimensions have certain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tuner.errors import SettingError, nearest
from tuner.space.distributions import CategoricalDistribution, Dimension, NumberDistribution, When


def parse_when(given: Any) -> When:
    """Return the condition of `{kind: square, width: [8, 16]}`: per dimension a value or a list of values.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(given, dict) or not given or [] in given.values():
        raise ValueError(
            f"when needs another dimension's value such as `{{distill.soft: true}}`, got {given!r}"
        )
    return {path: tuple(value) if isinstance(value, list) else (value,) for path, value in given.items()}


def written_when(when: When) -> dict[str, Any]:
    """Return the condition as a study file writes it; nothing for none."""
    allowed = {path: values[0] if len(values) == 1 else list(values) for path, values in when.items()}
    return {"when": allowed} if when else {}


def requirements(dimensions: Mapping[str, Dimension]) -> dict[str, When]:
    """Return what each dimension needs to be active, its dependencies' needs included.

    A dimension is visited after those that it depends on, so their needs are complete by then and are
    added to its own. Where both name the same dimension, only values that both allow are left.

    Args:
        dimensions: by path.
    Returns:
        Path -> allowed values of every dimension that decides about it; empty: always active.
    Raises:
        SettingError: a condition on something not searched or on a value that it cannot have, a circle, a
            contradiction.
    """
    for path, dimension in dimensions.items():
        for other, values in dimension.when.items():
            problem = _problem(other, values, dimensions)
            if problem:
                raise SettingError(("search", path, "when", other), problem)
    needs_by_path: dict[str, When] = {}
    for path in _order(dimensions):
        needs = dict(dimensions[path].when)
        for other in dimensions[path].when:
            for name, values in needs_by_path[other].items():
                needs[name] = tuple(v for v in needs.get(name, values) if among(v, values))
                if not needs[name]:
                    rule = f"can never hold: {other} needs another value of {name}; change one of the two"
                    raise SettingError(("search", path, "when", other), rule)
        needs_by_path[path] = needs
    return {path: needs_by_path[path] for path in dimensions}


def among(value: Any, values: tuple[Any, ...]) -> bool:
    """Return whether `value` is one of `values`; 1 and True are different."""
    return json.dumps(value) in {json.dumps(each) for each in values}


def holds(needs: When, values: Mapping[str, Any]) -> bool:
    """Return whether `values`, by path, satisfy `needs`; a missing value does not."""
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
    """Return the paths in an order in which each comes after those that it depends on."""
    try:
        return list(
            TopologicalSorter({path: each.when.keys() for path, each in dimensions.items()}).static_order()
        )
    except CycleError as error:
        circle: list[str] = error.args[1]
        rule = f"is a circle: {' -> '.join(reversed(circle))}; remove one of the conditions"
        raise SettingError(("search", circle[0], "when"), rule) from error
