"""What a study searches over: dimensions, each one value of a trial's settings, and their combination."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tuner.errors import SettingError, nearest
from tuner.knobs import Dimension, Knob

Point = dict[str, Any]
_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")


@dataclass(frozen=True)
class SearchSpace:
    """Dotted paths into a trial's settings, each with the dimension that is searched there."""

    dimensions: Mapping[str, Dimension]

    def knobs(self) -> dict[str, Knob]:
        """What a sampler turns: plain distributions by name (`batch_size`, `cuts/count`, `cuts/1`)."""
        return {
            _join(path, name): knob
            for path, dimension in self.dimensions.items()
            for name, knob in dimension.knobs().items()
        }

    def decode(self, values: Mapping[str, Any]) -> Point:
        """One setting of all knobs as one value of each dimension."""
        return {
            path: dimension.decode({name: values[_join(path, name)] for name in dimension.knobs()})
            for path, dimension in self.dimensions.items()
        }

    def encode(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """A right inverse of `decode`: knob values that give `point`."""
        return {
            _join(path, name): value
            for path, dimension in self.dimensions.items()
            for name, value in dimension.encode(point[path]).items()
        }

    def middle(self) -> Point:
        """The centre of every dimension."""
        return {path: dimension.middle() for path, dimension in self.dimensions.items()}

    def corners(self, centre: Mapping[str, Any]) -> Iterator[Point]:
        """Every dimension at its low and at its high end, the others at `centre`; no point twice."""
        seen: list[Point] = []
        for path, dimension in self.dimensions.items():
            for end in dimension.ends():
                point = {**centre, path: end}
                if point not in seen:
                    seen.append(point)
                    yield point

    def check_paths(self, settings: Mapping[str, Any]) -> None:
        """Whether every path leads to a place of its own in the settings.

        Raises:
            SettingError: a malformed path, one inside another, one through a value that is no mapping.
        """
        for path in self.dimensions:
            problem = _path_problem(path, self.dimensions, settings)
            if problem:
                raise SettingError(("search", path), problem)

    def check_default(self, point: Mapping[str, Any]) -> None:
        """Whether `point` has one legal value of each dimension and nothing else.

        Raises:
            SettingError: a missing, an unknown or an illegal one.
        """
        for path in point:
            if path not in self.dimensions:
                raise SettingError(("default", path), f"is not searched; {nearest(path, self.dimensions)}")
        for path, dimension in self.dimensions.items():
            problem = dimension.problem(point[path]) if path in point else "is missing; add a value"
            if problem:
                raise SettingError(("default", path), problem)


def put_in(settings: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with one value of each dimension put in.

    Args:
        settings: nested dict; not changed.
        point: dotted path -> value.
    Returns:
        A deep copy with the values; missing levels are made.
    """
    out = deepcopy(dict(settings))
    for path, value in point.items():
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
