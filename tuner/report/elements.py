"""Elements of the report: sections with numbers, tables and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes

MIN_POINTS = 2  # fewer make no figure


@dataclass(frozen=True)
class Figure:
    """A plot that has not been drawn yet.

    Attributes:
        title: what the plot shows.
        reading: one sentence on how to read it.
        x, y: labels of the axes, with units.
        points: number of data points.
        draw: draws on axes; `C0` to `C5` are the colours of the page.
        height: inches; the width is given.
        narrow: whether it takes half the width, beside another figure.
    """

    title: str
    reading: str
    x: str
    y: str
    points: int
    draw: Callable[[Axes], None]
    height: float = 3.6
    narrow: bool = False


@dataclass(frozen=True)
class Table:
    """Rows below column titles; numbers are shown with four digits."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""

    @property
    def cells(self) -> list[list[str]]:
        """Return all values as text."""
        return [[cell(value) for value in row] for row in self.rows]


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        key: name in the JSON and in links.
        title: its heading.
        text: paragraphs.
        numbers: content of the JSON.
        tables, figures: in order; figures with fewer than two points are left out.
    """

    key: str
    title: str
    text: Sequence[str] = ()
    numbers: Any = field(default_factory=dict)
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()

    @property
    def drawable(self) -> list[Figure]:
        """Return the figures that have enough points."""
        return [figure for figure in self.figures if figure.points >= MIN_POINTS]


def cell(value: Any) -> str:
    """Return a value as text: four digits, a dash for a missing value."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(cell, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def setting_text(value: Any) -> str:
    """Return the value of a setting as text: as `cell`, but null, true and false as in a study file."""
    return json.dumps(value) if value is None or isinstance(value, bool) else cell(value)


def configuration_text(params: Mapping[str, Any]) -> str:
    """Return a configuration in one line."""
    return (
        ", ".join(f"{path} = {setting_text(value)}" for path, value in params.items())
        or "the unchanged settings"
    )


def counted(count: int, noun: str) -> str:
    """Return `1 trial`, `2 trials`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def json_values(node: Any) -> Any:
    """Return a value that JSON can hold: keys as text, null for what is not finite."""
    if isinstance(node, Mapping):
        return {str(key): json_values(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [json_values(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
