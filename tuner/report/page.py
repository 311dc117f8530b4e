"""The report as one HTML file: no script, no font, nothing that a network would have to bring."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from tuner.report.elements import Figure, Section, Table
from tuner.report.svg import render

_CODE = re.compile(r"`([^`]+)`")
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Drawn:
    """A section whose figures are drawn.

    Attributes:
        key, title, text, numbers, tables: as of the section.
        figures: each with its SVG.
    """

    key: str
    title: str
    text: Sequence[str]
    numbers: Any
    tables: Sequence[Table]
    figures: Sequence[tuple[Figure, Markup]]


def drawn(section: Section) -> Drawn:
    """Draw a section's figures."""
    figures = [(figure, Markup(render(figure))) for figure in section.drawn]
    return Drawn(section.key, section.title, section.text, section.numbers, section.tables, figures)


def _code(text: str) -> Markup:
    """What stands between backticks as code; all of it escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def page(headline: Mapping[str, Any], sections: Sequence[Drawn], json_name: str) -> str:
    """The whole page; every text is escaped.

    Args:
        headline: the numbers of the first section.
        sections: all of them, in their order.
        json_name: of the file beside it.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["code"] = _code
    text = environment.get_template("page.html.j2").render(
        name=headline["study"], state=headline["state"], metric=headline["metric"],
        mode="lower is better" if headline["mode"] == "min" else "higher is better",
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), json_name=json_name, sections=sections,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
    )  # fmt: skip
    return text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair in an error text
