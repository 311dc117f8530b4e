"""What a scheduler measured, as metrics for MLflow and lines for the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]  # as `Scheduler.diagnostics` returns them


def figures(rows: Rows) -> dict[str, float]:
    """Return every number by name, such as `rungs/4/correlation`."""
    return {
        f"rungs/{row['rung']}/{key}": float(value)
        for row in rows
        for key, value in row.items()
        if key != "rung" and value is not None
    }


def lines(rows: Rows, unit: str) -> list[tuple[str, str]]:
    """Return one (label, text) per rung: how many trials reached it and were stopped, its correlation."""
    return [("rungs" if place == 0 else "", _line(row, unit)) for place, row in enumerate(rows)]


def _line(row: Mapping[str, Any], unit: str) -> str:
    text = f"{unit} {row['rung']}: {row['trials']} trials, {row['stopped']} stopped"
    if row["correlation"] is None:
        return f"{text}; too few continued to measure whether ranks predict later ones"
    measured = f"{text}; rank correlation with the next {row['correlation']:+.2f} over {row['pairs']} trials"
    return measured if row["active"] else f"{measured}: stops no trial any more"
