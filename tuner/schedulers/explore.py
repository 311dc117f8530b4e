"""New settings near good ones: what population based training does to the settings of a trial it copies.

Searcher: Jaderberg et al. 2017, "PBT Based Training of Neural Networks", section 4.1.1: numbers are
multiplied by 0.8 or 1.2, or drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuner.space.distributions import Distribution, NumberDistribution
from tuner.space.space import Params, SearchSpace

ANEW = 0.25  # share of encoded that are drawn anew, of labels and numbers alike
FACTORS = (0.8, 1.2)


def perturbed(space: SearchSpace, params: Mapping[str, Any], rng: np.random.Generator) -> Params:
    """A params near another one.

    Args:
        space: what is searched; the new point is within it.
        params: the one to begin from.
        rng: drawn from.
    Returns:
        Each distribution drawn anew with probability 0.25; else a number is multiplied by 0.8 or 1.2, a whole one
        moved by at least 1, and a label kept.
    """
    values = space.encode(params)
    return space.decode(
        {
            name: _turned(distribution, values[name], rng)
            for name, distribution in space.distributions().items()
        }
    )


def to_unit(distribution: NumberDistribution, value: float) -> float:
    """Where a number lies in its range, 0 to 1, in the logarithm where that is how the range is spread."""
    low, high = _ends(distribution)
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def from_unit(distribution: NumberDistribution, unit: float) -> float | int:
    """The number at `unit`, 0 to 1, of a range; each whole number has the same share."""
    low, high = _ends(distribution)
    return within(distribution, low * (high / low) ** unit if distribution.log else low + (high - low) * unit)


def within(distribution: NumberDistribution, value: float) -> float | int:
    """The nearest number of a range."""
    clipped = min(max(value, distribution.low), distribution.high)
    return round(clipped) if distribution.whole else float(clipped)


def _ends(distribution: NumberDistribution) -> tuple[float, float]:
    return (
        (distribution.low - 0.5, distribution.high + 0.5)
        if distribution.whole
        else (distribution.low, distribution.high)
    )


def _turned(distribution: Distribution, value: Any, rng: np.random.Generator) -> Any:
    if rng.random() < ANEW:
        return (
            from_unit(distribution, rng.random())
            if isinstance(distribution, NumberDistribution)
            else str(rng.choice(distribution.labels))
        )
    if not isinstance(distribution, NumberDistribution):
        return value
    factor = FACTORS[rng.integers(len(FACTORS))]
    if not distribution.whole:
        return within(distribution, value * factor)
    change = value * (factor - 1)
    return within(distribution, value + math.copysign(max(1, round(abs(change))), change or factor - 1))
