"""Durations, sizes and params as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HOUR_S = 3600.0


def params_text(params: Mapping[str, Any]) -> str:
    """Return params as `batch_size=32, distill.temperature=2.31`."""
    return ", ".join(f"{path}={_short(value)}" for path, value in params.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Return a time as `0.35 s`, `95 s`, `6.1 min` or `3.2 h`."""
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"


def size(count: float) -> str:
    """Return a number of bytes as `12 MiB` or `1.5 GiB`."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.3g} MiB"
