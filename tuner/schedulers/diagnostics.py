"""What a scheduler measured, as figures for the tracking and lines for the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]  # as `Scheduler.diagnostics` gives them


def figures(rows: Rows) -> dict[str, float]:
    """Every number by name: `rungs/4/correlation`."""
    return {
        f"rungs/{row['rung']}/{key}": float(value)
        for row in rows
        for key, value in row.items()
        if key != "rung" and value is not None
    }


def lines(rows: Rows, unit: str) -> list[tuple[str, str]]:
    """One line a rung: how many came by and were stopped, and whether its ranks told the later ones."""
    return [("rungs" if place == 0 else "", _line(row, unit)) for place, row in enumerate(rows)]


def _line(row: Mapping[str, Any], unit: str) -> str:
    text = f"{unit} {row['rung']}: {row['trials']} trials, {row['stopped']} stopped"
    if row["correlation"] is None:
        return f"{text}; too few went on to say whether its ranks tell the later ones"
    agreed = f"{text}; rank correlation with later {row['correlation']:+.2f} over {row['pairs']}"
    return agreed if row["active"] else f"{agreed}: it stops nobody any more"
