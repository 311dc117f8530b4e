"""New settings near good ones: what population based training does to the settings of a trial it copies.

Source: Jaderberg et al. 2017, "Population Based Training of Neural Networks", section 4.1.1: numbers are
multiplied by 0.8 or 1.2, or drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuner.space.distributions import Knob, Range
from tuner.space.space import Point, SearchSpace

ANEW = 0.25  # share of knobs that are drawn anew, of labels and numbers alike
FACTORS = (0.8, 1.2)


def perturbed(space: SearchSpace, point: Mapping[str, Any], rng: np.random.Generator) -> Point:
    """A point near another one.

    Args:
        space: what is searched; the new point is within it.
        point: the one to begin from.
        rng: drawn from.
    Returns:
        Each knob drawn anew with probability 0.25; else a number is multiplied by 0.8 or 1.2, a whole one
        moved by at least 1, and a label kept.
    """
    values = space.encode(point)
    return space.decode({name: _turned(knob, values[name], rng) for name, knob in space.knobs().items()})


def to_unit(knob: Range, value: float) -> float:
    """Where a number lies in its range, 0 to 1, in the logarithm where that is how the range is spread."""
    low, high = _ends(knob)
    if knob.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def from_unit(knob: Range, unit: float) -> float | int:
    """The number at `unit`, 0 to 1, of a range; each whole number has the same share."""
    low, high = _ends(knob)
    return within(knob, low * (high / low) ** unit if knob.log else low + (high - low) * unit)


def within(knob: Range, value: float) -> float | int:
    """The nearest number of a range."""
    clipped = min(max(value, knob.low), knob.high)
    return round(clipped) if knob.whole else float(clipped)


def _ends(knob: Range) -> tuple[float, float]:
    return (knob.low - 0.5, knob.high + 0.5) if knob.whole else (knob.low, knob.high)


def _turned(knob: Knob, value: Any, rng: np.random.Generator) -> Any:
    if rng.random() < ANEW:
        return from_unit(knob, rng.random()) if isinstance(knob, Range) else str(rng.choice(knob.labels))
    if not isinstance(knob, Range):
        return value
    factor = FACTORS[rng.integers(len(FACTORS))]
    if not knob.whole:
        return within(knob, value * factor)
    change = value * (factor - 1)
    return within(knob, value + math.copysign(max(1, round(abs(change))), change or factor - 1))
