"""The search space: dotted paths into a trial's settings, with the dimension that is searched at each."""

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
    """Dimensions by dotted path.

    Params lack the dimensions whose conditions they do not satisfy; there the study's settings apply. Encoded
    values are always complete: those of an inactive dimension are drawn and not used.
    """

    dimensions: Mapping[str, Dimension]

    @cached_property
    def needs(self) -> dict[str, When]:
        """Path -> values of other dimensions with which it is active.

        Raises:
            SettingError: conditions that cannot hold.
        """
        return requirements(self.dimensions)

    def distributions(self) -> dict[str, Distribution]:
        """Return the plain distributions that a sampler draws from, by name (`batch_size`, `cuts/1`)."""
        return {
            _join(path, name): distribution
            for path, dimension in self.dimensions.items()
            for name, distribution in dimension.distributions().items()
        }

    def decode(self, values: Mapping[str, Any]) -> Params:
        """Return the params that complete encoded values stand for."""
        return self._active(
            {
                path: dimension.decode(
                    {name: values[_join(path, name)] for name in dimension.distributions()}
                )
                for path, dimension in self.dimensions.items()
            }
        )

    def encode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return encoded values that decode to `params`, with central values for inactive dimensions."""
        complete = self._centres() | dict(params)
        return {
            _join(path, name): value
            for path, dimension in self.dimensions.items()
            for name, value in dimension.encode(complete[path]).items()
        }

    def middle(self) -> Params:
        """Return the centre of every dimension."""
        return self._active(self._centres())

    def corners(self, centre: Mapping[str, Any]) -> Iterator[Params]:
        """Yield params with one dimension at its low or high end, the others at `centre`; none twice.

        To reach an inactive dimension, those that decide about it get the first value that makes it active.
        """
        seen: list[Params] = []
        for path, dimension in self.dimensions.items():
            for end in dimension.ends():
                params = self._moved(centre, path, end)
                if params not in seen:
                    seen.append(params)
                    yield params

    def check_paths(self, settings: Mapping[str, Any]) -> None:
        """Check that every path leads to its own place in the settings.

        Raises:
            SettingError: a malformed path, one inside another, one through a value that is no mapping,
                conditions that cannot hold.
        """
        for path in self.dimensions:
            problem = _path_problem(path, self.dimensions, settings)
            if problem:
                raise SettingError(("search", path), problem)
        requirements(self.dimensions)

    def check_params(self, params: Mapping[str, Any], place: tuple[str | int, ...]) -> None:
        """Check that `params` has one legal value for each active dimension and nothing else.

        Args:
            params: path -> value.
            place: keys of the params in the study, for the error.
        Raises:
            SettingError: a missing, unknown, inactive or illegal value.
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
        unmet = [
            f"{other}={params[other]!r}"
            for other, allowed in self.needs[path].items()
            if other in params and not among(params[other], allowed)
        ]
        return f"is not searched with {', '.join(unmet)}; remove it" if path in params and unmet else ""

    def _centres(self) -> Params:
        return {path: dimension.middle() for path, dimension in self.dimensions.items()}

    def _active(self, values: Mapping[str, Any]) -> Params:
        """Return the values of active dimensions."""
        return {path: value for path, value in values.items() if holds(self.needs[path], values)}

    def _moved(self, centre: Mapping[str, Any], path: str, value: Any) -> Params:
        complete = self._centres() | dict(centre)
        for other, allowed in self.needs[path].items():
            if not among(complete[other], allowed):
                complete[other] = allowed[0]
        return self._active(complete | {path: value})


def with_values(settings: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with params put in.

    Args:
        settings: nested; not changed.
        params: dotted path -> value.
    Returns:
        A deep copy with the values; missing levels are added.
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
