"""The two classes and what a score means: bona fide is 1, spoof is 0, a higher score is more bona fide."""

from __future__ import annotations

from typing import Literal

POLARITY: Literal["higher = more bona fide"] = "higher = more bona fide"

BONAFIDE = 1
SPOOF = 0
LABELS = {"bonafide": BONAFIDE, "spoof": SPOOF}
