"""What a report is made of: sections with numbers, tables and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes

LEAST_POINTS = 2  # a figure of one point is a number


@dataclass(frozen=True)
class Figure:
    """One picture that has not been drawn yet.

    Attributes:
        title: what it shows.
        reading: one sentence on how to read it.
        x, y: labels of the axes, with units.
        points: how many data points it has.
        draw: puts them on axes; `C0` to `C5` are the page's colours.
        height: inches; the width is given.
        narrow: half as wide as the page, beside another one.
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
    """Rows under a head; numbers are shown with four digits."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""

    @property
    def cells(self) -> list[list[str]]:
        """As texts."""
        return [[cell(value) for value in row] for row in self.rows]


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        key: its name in the JSON and in links.
        title: its heading.
        text: paragraphs.
        numbers: what the JSON holds of it.
        tables, figures: in their order; figures with fewer than two points are left out.
    """

    key: str
    title: str
    text: Sequence[str] = ()
    numbers: Any = field(default_factory=dict)
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()

    @property
    def drawn(self) -> list[Figure]:
        """The figures that have enough points to be worth one."""
        return [figure for figure in self.figures if figure.points >= LEAST_POINTS]


def cell(value: Any) -> str:
    """A value as people read it: four digits, a dash for what is not there."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(cell, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def setting_text(value: Any) -> str:
    """A setting's value: as `cell`, but null, true and false as a study file has them."""
    return json.dumps(value) if value is None or isinstance(value, bool) else cell(value)


def params_text(params: Mapping[str, Any]) -> str:
    """A configuration in one line."""
    return (
        ", ".join(f"{path} = {setting_text(value)}" for path, value in params.items())
        or "the settings as they are"
    )


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them: `41 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"


def counted(count: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def plain(node: Any) -> Any:
    """As JSON can hold it: keys are texts, what is not finite is null."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
