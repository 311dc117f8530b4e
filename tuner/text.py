"""Durations, sizes and parameters as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HOUR_S = 3600.0


def shown(params: Mapping[str, Any]) -> str:
    """A params for a line of text: `batch_size=32, distill.temperature=2.31`."""
    return ", ".join(f"{path}={_brief(value)}" for path, value in params.items())


def _brief(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """`95 s`, `6.1 min`, `3.2 h`."""
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"


def size(amount: float) -> str:
    """`12 MiB`, `1.5 GiB`."""
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:.3g} MiB"
