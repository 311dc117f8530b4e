"""What changes over training or over the exits: temperature, ramp and exit weights. Pure functions.

Progress is the fraction of training done: 0 at the first update, 1 at the last.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import BeforeValidator

TemperatureSchedule = Literal["fixed", "linear", "cosine"]
ExitProfile = Literal["uniform", "deeper", "shallower"]


def _profile_or_numbers(given: Any) -> Any:
    """Return a sequence as a tuple of floats; one message for anything that is neither a profile
    nor weights.
    """
    if isinstance(given, str) and given in get_args(ExitProfile):
        return given
    numbers = given if isinstance(given, (list, tuple)) else ()
    if numbers and all(type(n) in (int, float) and 0 <= n < math.inf for n in numbers):
        return tuple(float(n) for n in numbers)
    profiles = ", ".join(get_args(ExitProfile))
    raise ValueError(f"must be one of {profiles}, or weights >= 0 such as [0.5, 1.0], shallowest exit first")


ExitWeights = Annotated[ExitProfile | tuple[float, ...], BeforeValidator(_profile_or_numbers)]


def progress_at(step: int, total: int) -> float:
    """Return the progress of update `step` (from 1) of `total`, in [0, 1]; 1 where there is only
    one update.
    """
    return 1.0 if total <= 1 else min(1.0, (step - 1) / (total - 1))


def temperature_at(schedule: TemperatureSchedule, start: float, end: float, progress: float) -> float:
    """Return T between `start` and `end`: constant ("fixed"), linear, or along half a cosine.

    Hot first, cold later teaches coarse agreement before detail; the reverse sharpens the targets while the
    teacher is still poor. Source: annealed temperature as in Jafari et al. 2021; cosine after Loshchilov and
    Hutter 2017.
    """
    if schedule == "fixed":
        return start
    share = progress if schedule == "linear" else (1 - math.cos(math.pi * progress)) / 2
    return start + (end - start) * share


def ramp_at(ramp: float, progress: float) -> float:
    """Return the factor of the soft and feature weights: rises linearly from 0 to 1 over the first `ramp` of
    training.

    With ramp 0 it is 1. Exits do not imitate a teacher that knows nothing yet. Source: ramp-up of the
    consistency weight in mean-teacher training (Tarvainen and Valpola 2017), here linear.
    """
    return 1.0 if progress >= ramp else progress / ramp


def exit_weights(profile: ExitProfile | tuple[float, ...], count: int) -> tuple[float, ...]:
    """Return the weights of `count` shallow exits, shallowest first.

    Profiles have mean 1 and are linear in the exit's rank: "uniform" is 1 for all, "deeper" 2i/(count + 1),
    "shallower" the reverse. A tuple gives the weights themselves; where it is not `count` long (the number of
    cuts is searched), it is read as a curve over relative depth, each exit in the middle of its share, and
    interpolated linearly. A single exit gets the middle of the tuple.
    """
    rank = (np.arange(count) + 1.0) * 2 / (count + 1)
    if isinstance(profile, tuple):
        at, known = ((np.arange(n) + 0.5) / n for n in (count, len(profile)))
        weights = np.interp(at, known, profile)
    else:
        weights = {"uniform": np.ones(count), "deeper": rank, "shallower": rank[::-1]}[profile]
    return tuple(float(weight) for weight in weights)
