"""A figure as inline SVG in the colours of the page: light, dark or printed.

Matplotlib needs numeric colours, so it draws in colours that occur nowhere else, which are then replaced by
CSS variables. Text stays text: smaller, searchable, in the font of the page.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogFormatter

from tuner.report.elements import Figure

WIDTH, NARROW = 8.6, 4.2  # inches at 100 to the inch: the page's text column, half of it
COLOURS = {"ink": "#010203", "line": "#040506", "paper": "#070809"} | {
    f"c{number}": f"#0a0b{number:02x}" for number in range(6)
}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name with a dollar sign is a name
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["ink"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.prop_cycle": cycler(color=[COLOURS[f"c{number}"] for number in range(6)]),
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "legend.frameon": False,
    "legend.fontsize": "small",
    "patch.edgecolor": COLOURS["ink"],
    "lines.markersize": 5,
}
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_UNUSED = re.compile(r' xmlns(:\w+)?="[^"]*"| version="1.1"|<g id="[^"]*"(?=[ >])')
_FONT = re.compile(r"font: ([\d.]+px) [^;\"]*")


def render(figure: Figure) -> str:
    """Return an `svg` element for an HTML page; equal figures give equal text."""
    size = (NARROW if figure.narrow else WIDTH, figure.height)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # ignore the user's settings for other plots
        for key, value in {**_STYLE, "svg.hashsalt": figure.title}.items():
            matplotlib.rcParams[key] = value  # type: ignore[index]
        canvas = Canvas(figsize=size, dpi=100, layout="constrained")
        FigureCanvasSVG(canvas)
        axes = canvas.add_subplot()
        figure.draw(axes)
        axes.set_xlabel(figure.x)
        axes.set_ylabel(figure.y)
        for axis in (axes.xaxis, axes.yaxis):
            _plain_numbers(axis)
        out = io.StringIO()
        canvas.savefig(out, format="svg", facecolor="none", metadata={"Date": None})
    return _inline(out.getvalue())


class _Plain(LogFormatter):
    """Tick labels where Matplotlib puts them, as 0.01 instead of 1e-02."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _plain_numbers(axis: Axis) -> None:
    """Write powers of ten as in a study file; those of Matplotlib need mathematical type."""
    if axis.get_scale() == "log":
        axis.set_major_formatter(_Plain())
        axis.set_minor_formatter(_Plain(minor_thresholds=(1, 0.4)))


def _inline(text: str) -> str:
    text = _METADATA.sub("", text[text.index("<svg") :])
    text = _UNUSED.sub(lambda match: "<g" if match[0].startswith("<g") else "", text)
    text = _FONT.sub(r"font-size: \1", text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text.replace("<svg ", '<svg role="img" ', 1).strip()
