"""Measures unrelated to spoofing, which should therefore not separate the classes.

Shapes: B bona fide values, S spoof values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

MEASURES = {
    "trailing_ms": "silence at the end, ms",
    "leading_ms": "silence at the start, ms",
    "seconds": "duration, s",
    "level_db": "level, dB",
}
SUSPICIOUS = 0.7
_CHANCE_DEVIATIONS = 3.0


@dataclass(frozen=True)
class Shortcut:
    """One measure in one split.

    Attributes:
        bonafide, spoof: medians of the classes.
        auc: the probability that the value of a spoof exceeds that of a bona fide file; 0.5 says nothing.
        suspicious: the measure alone separates the classes: max(auc, 1 - auc) >= 0.7, and by more than three
            standard deviations of what chance does with so many files.
    """

    bonafide: float
    spoof: float
    auc: float
    suspicious: bool


def shortcut(bonafide_B: Sequence[float], spoof_S: Sequence[float]) -> Shortcut:
    """Judge one measure by its values in the two classes, both non-empty."""
    auc = area_under_curve(bonafide_B, spoof_S)
    lift = abs(auc - 0.5)
    beyond_chance = lift > _CHANCE_DEVIATIONS * chance_deviation(len(bonafide_B), len(spoof_S))
    return Shortcut(
        bonafide=float(np.median(bonafide_B)),
        spoof=float(np.median(spoof_S)),
        auc=auc,
        suspicious=lift >= SUSPICIOUS - 0.5 and beyond_chance,
    )


def area_under_curve(bonafide_B: Sequence[float], spoof_S: Sequence[float]) -> float:
    """Return the probability that a spoof's value exceeds a bona fide one's; equal values count half.

    Source: the U statistic of Mann and Whitney (1947), divided by the number of pairs.
    """
    wins = mannwhitneyu(spoof_S, bonafide_B, method="asymptotic").statistic
    return float(wins) / (len(bonafide_B) * len(spoof_S))


def chance_deviation(count_b: int, count_s: int) -> float:
    """Return the standard deviation of the area for two equal classes (Mann and Whitney, without ties)."""
    return math.sqrt((count_b + count_s + 1) / (12 * count_b * count_s))
