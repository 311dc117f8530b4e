"""The report as one HTML file without scripts, fonts or anything else from a network."""

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
class RenderedSection:
    """A section with its figures drawn.

    Attributes:
        key, title, text, numbers, tables: as in `Section`.
        figures: each figure with its SVG.
    """

    key: str
    title: str
    text: Sequence[str]
    numbers: Any
    tables: Sequence[Table]
    figures: Sequence[tuple[Figure, Markup]]


def render_section(section: Section) -> RenderedSection:
    """Draw the figures of a section."""
    figures = [(figure, Markup(render(figure))) for figure in section.drawable]
    return RenderedSection(section.key, section.title, section.text, section.numbers, section.tables, figures)


def _code(text: str) -> Markup:
    """Escape a text and mark what is between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def render_page(result: Mapping[str, Any], sections: Sequence[RenderedSection], json_name: str) -> str:
    """Return the whole page; every text is escaped.

    Args:
        result: numbers of the section `result`.
        sections: all sections, in order.
        json_name: name of the JSON file beside the page.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["code"] = _code
    text = environment.get_template("page.html.j2").render(
        name=result["study"], state=result["state"], metric=result["metric"],
        mode="lower is better" if result["mode"] == "min" else "higher is better",
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), json_name=json_name, sections=sections,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
    )  # fmt: skip
    return text.encode("utf-8", "replace").decode("utf-8")  # an error text may have half a surrogate pair
