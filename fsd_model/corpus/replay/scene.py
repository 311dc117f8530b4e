"""Environments and replay attacks of ASVspoof 2019 PA by their letters; rooms and places drawn from them.

Source: README.PA.txt of ASVspoof 2019 (https://doi.org/10.7488/ds/2555).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from fsd_model.corpus.replay.room import Room
from fsd_model.corpus.signals import Floats

Range = tuple[float, float]

AREA_M2: dict[str, Range] = {"a": (2.0, 5.0), "b": (5.0, 10.0), "c": (10.0, 20.0)}
T60_S: dict[str, Range] = {"a": (0.05, 0.2), "b": (0.2, 0.6), "c": (0.6, 1.0)}
TALKER_M: dict[str, Range] = {"a": (0.1, 0.5), "b": (0.5, 1.0), "c": (1.0, 1.5)}
"""From the talker, or the loudspeaker in his place, to the microphone of the speaker verification."""
ATTACKER_M: dict[str, Range] = {"A": (0.1, 0.5), "B": (0.5, 1.0), "C": (1.0, 1.5)}
"""From the talker to the attacker's microphone; C is only said to be above 1 m."""

ENVIRONMENTS = tuple("".join(letters) for letters in product("abc", repeat=3))
"""Room size, reverberation time, talker's distance."""
ATTACKS = tuple("".join(letters) for letters in product("ABC", repeat=2))
"""Attacker's distance, quality of the replay device."""

_LENGTH_TO_WIDTH: Range = (1.0, 1.6)
_HEIGHT_M: Range = (2.3, 3.0)
_TO_WALL_M = 0.15
_STEEPEST = 0.5  # difference in height over distance


def draw_room(environment: str, rng: np.random.Generator) -> Room:
    """Draw a room of the size and reverberation time of an environment."""
    area = rng.uniform(*AREA_M2[environment[0]])
    width = np.sqrt(area / rng.uniform(*_LENGTH_TO_WIDTH))
    size = (float(area / width), float(width), float(rng.uniform(*_HEIGHT_M)))
    return Room(size, float(rng.uniform(*T60_S[environment[1]])))


def draw_places(room: Room, distance_m: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw two places (3,) in a room, at a distance and clear of the walls.

    They exist in every room of 2 m2 and more for every distance up to 1.5 m.
    """
    furthest = np.array(room.size_m) - _TO_WALL_M
    while True:
        first = rng.uniform(_TO_WALL_M, furthest)
        rise, turn = rng.uniform(-_STEEPEST, _STEEPEST), rng.uniform(0, 2 * np.pi)
        flat = np.sqrt(1 - rise**2)
        second = first + distance_m * np.array([flat * np.cos(turn), flat * np.sin(turn), rise])
        if np.all(second >= _TO_WALL_M) and np.all(second <= furthest):
            return first, second
