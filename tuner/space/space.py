"""What a study searches over: dimensions, each one value of a trial's settings, and their combination."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tuner.errors import SettingError, nearest
from tuner.space.conditions import among, holds, requirements
from tuner.space.distributions import Dimension, Distribution, When

Params = dict[str, Any]
_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")


@dataclass(frozen=True)
class SearchSpace:
    """Dotted paths into a trial's settings, each with the dimension that is searched there.

    A params lacks the dimensions whose condition does not hold in it; the settings have the say there. Knobs
    do not come and go: those of an inactive dimension are turned all the same and mean nothing.
    """

    dimensions: Mapping[str, Dimension]

    @cached_property
    def needs(self) -> dict[str, When]:
        """For each path the values of other dimensions with which it is active.

        Raises:
            SettingError: conditions that cannot be.
        """
        return requirements(self.dimensions)

    def distributions(self) -> dict[str, Distribution]:
        """What a sampler turns: plain distributions by name (`batch_size`, `cuts/count`, `cuts/1`)."""
        return {
            _join(path, name): distribution
            for path, dimension in self.dimensions.items()
            for name, distribution in dimension.distributions().items()
        }

    def decode(self, values: Mapping[str, Any]) -> Params:
        """One setting of all encoded as one value of each active dimension."""
        return self._active(
            {
                path: dimension.decode(
                    {name: values[_join(path, name)] for name in dimension.distributions()}
                )
                for path, dimension in self.dimensions.items()
            }
        )

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A right inverse of `decode`: distribution values that give `params`, central ones for what is
        inactive.
        """
        full = self._centres() | dict(params)
        return {
            _join(path, name): value
            for path, dimension in self.dimensions.items()
            for name, value in dimension.encode(full[path]).items()
        }

    def middle(self) -> Params:
        """The centre of every dimension."""
        return self._active(self._centres())

    def corners(self, centre: Mapping[str, Any]) -> Iterator[Params]:
        """Every dimension at its low and at its high end, the others at `centre`; no params twice.

        For an inactive dimension those that decide about it move to the first value that makes it active.
        """
        seen: list[Params] = []
        for path, dimension in self.dimensions.items():
            for end in dimension.ends():
                params = self._moved(centre, path, end)
                if params not in seen:
                    seen.append(params)
                    yield params

    def check_paths(self, settings: Mapping[str, Any]) -> None:
        """Whether every path leads to a place of its own in the settings.

        Raises:
            SettingError: a malformed path, one inside another, one through a value that is no mapping,
                conditions that cannot be.
        """
        for path in self.dimensions:
            problem = _path_problem(path, self.dimensions, settings)
            if problem:
                raise SettingError(("search", path), problem)
        requirements(self.dimensions)

    def check_params(self, params: Mapping[str, Any], place: tuple[str | int, ...]) -> None:
        """Whether `params` has one legal value of each active dimension and nothing else.

        Args:
            params: path -> value.
            place: where it stands in the study, for the error.
        Raises:
            SettingError: a missing, an unknown, an inactive or an illegal one.
        """
        for path in params:
            if path not in self.dimensions:
                raise SettingError((*place, path), f"is not searched; {nearest(path, self.dimensions)}")
        for path, dimension in self.dimensions.items():
            problem = self._problem(path, dimension, params)
            if problem:
                raise SettingError((*place, path), problem)

    def _problem(self, path: str, dimension: Dimension, params: Mapping[str, Any]) -> str:
        if holds(self.needs[path], params):
            return dimension.problem(params[path]) if path in params else "is missing; add a value"
        wrong = [
            f"{other}={params[other]!r}"
            for other, allowed in self.needs[path].items()
            if other in params and not among(params[other], allowed)
        ]
        return f"is not searched with {', '.join(wrong)}; remove it" if path in params and wrong else ""

    def _centres(self) -> Params:
        return {path: dimension.middle() for path, dimension in self.dimensions.items()}

    def _active(self, values: Mapping[str, Any]) -> Params:
        """Of one value of every dimension those that are active."""
        return {path: value for path, value in values.items() if holds(self.needs[path], values)}

    def _moved(self, centre: Mapping[str, Any], path: str, value: Any) -> Params:
        full = self._centres() | dict(centre)
        for other, allowed in self.needs[path].items():
            if not among(full[other], allowed):
                full[other] = allowed[0]
        return self._active(full | {path: value})


def with_values(settings: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with one value of each dimension put in.

    Args:
        settings: nested dict; not changed.
        params: dotted path -> value.
    Returns:
        A deep copy with the values; missing levels are made.
    """
    out = deepcopy(dict(settings))
    for path, value in params.items():
        *above, last = path.split(".")
        level = out
        for key in above:
            level = level.setdefault(key, {})
        level[last] = deepcopy(value)
    return out


def _path_problem(path: str, paths: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    if not _PATH.fullmatch(path):
        return f"needs names joined by dots, got {path!r}"
    if path.split(".")[0] == "epochs":
        return "`epochs` is given by the study's own `epochs`; remove it from the search"
    parts = path.split(".")
    level: Any = settings
    for i in range(1, len(parts)):
        above = ".".join(parts[:i])
        if above in paths:
            return f"collides with search.{above}; search one of the two"
        level = level.get(parts[i - 1], {})
        if not isinstance(level, Mapping):
            return f"leads into settings.{above}, which is {level!r} and no mapping; remove one of the two"
    return ""


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if name else path
