"""New settings near good ones: what population based training gives to a trial that it clones.

Source: Jaderberg et al. 2017, "Population Based Training of Neural Networks", section 4.1.1: a number is
multiplied by 0.8 or 1.2, or drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuner.space.distributions import Distribution, NumberDistribution
from tuner.space.space import Params, SearchSpace

RESAMPLE_PROBABILITY = 0.25  # of each distribution, labels and numbers alike
FACTORS = (0.8, 1.2)


def perturbed(space: SearchSpace, params: Mapping[str, Any], rng: np.random.Generator) -> Params:
    """Return params near others.

    Args:
        space: what is searched; the new params are within it.
        params: the ones to begin with.
        rng: source of randomness.
    Returns:
        Each distribution is drawn anew with probability 0.25. Otherwise a number is multiplied by 0.8 or 1.2
        (a whole number changes by at least 1), and a label is kept.
    """
    values, distributions = space.encode(params), space.distributions()
    return space.decode(
        {name: _changed(distribution, values[name], rng) for name, distribution in distributions.items()}
    )


def to_unit(distribution: NumberDistribution, value: float) -> float:
    """Return where a number lies in its range, 0 to 1, on a logarithmic scale if the range has one."""
    low, high = _ends(distribution)
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def from_unit(distribution: NumberDistribution, unit: float) -> float | int:
    """Return the number at `unit`, 0 to 1, of a range; every whole number has the same share."""
    low, high = _ends(distribution)
    return within(distribution, low * (high / low) ** unit if distribution.log else low + (high - low) * unit)


def within(distribution: NumberDistribution, value: float) -> float | int:
    """Return the nearest number of a range."""
    clipped = min(max(value, distribution.low), distribution.high)
    return round(clipped) if distribution.whole else float(clipped)


def _ends(distribution: NumberDistribution) -> tuple[float, float]:
    """Return the ends of a range; half a step further out for whole numbers, which are rounded."""
    margin = 0.5 if distribution.whole else 0.0
    return distribution.low - margin, distribution.high + margin


def _changed(distribution: Distribution, value: Any, rng: np.random.Generator) -> Any:
    if not isinstance(distribution, NumberDistribution):
        return str(rng.choice(distribution.labels)) if rng.random() < RESAMPLE_PROBABILITY else value
    if rng.random() < RESAMPLE_PROBABILITY:
        return from_unit(distribution, rng.random())
    factor = FACTORS[rng.integers(len(FACTORS))]
    if not distribution.whole:
        return within(distribution, value * factor)
    change = value * (factor - 1)
    return within(distribution, value + math.copysign(max(1, round(abs(change))), change or factor - 1))
