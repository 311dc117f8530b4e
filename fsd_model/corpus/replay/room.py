"""A rectangular room: image sources for the early sound, noise of the same decay for the late.

Shape suffixes: S samples, D directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
from scipy.signal import fftconvolve

from fsd_model.corpus.signals import SAMPLE_RATE_HZ, Floats

SPEED_OF_SOUND = 343.0
"""Metres per second; the library's own value."""

IMAGES_S = 0.08
"""Seconds after which noise replaces the image sources, then thousands per second."""

_T30_DB = (-5.0, -35.0)


@dataclass(frozen=True)
class Room:
    """A room whose walls, floor and ceiling all absorb the same share of the sound at all frequencies.

    Attributes:
        size_m: length, width, height.
        t60_s: reverberation time: seconds in which the sound falls by 60 dB.
    """

    size_m: tuple[float, float, float]
    t60_s: float


@cache
def _octant() -> tuple[Floats, Floats]:
    """Return directions (3, D) over an eighth of the sphere, and each one's share (D,) of the solid angle."""
    node, weight = np.polynomial.legendre.leggauss(12)
    node, weight = (node + 1) / 2, weight / 2
    height, angle = (axis.ravel() for axis in np.meshgrid(node, node * np.pi / 2))
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(angle), across * np.sin(angle), height]), np.outer(
        weight, weight
    ).ravel()


def _wall_hits(room: Room) -> Floats:
    """Return reflections per second (D,) of sound that travels in each direction."""
    directions_3D, _ = _octant()
    return np.asarray(SPEED_OF_SOUND * (1 / np.array(room.size_m)) @ directions_3D)


def wall_loss(room: Room) -> float:
    """Return the loss of energy per reflection, in nepers, that gives the room its reverberation time.

    Sound that travels along the longer sides meets fewer walls, so a rectangular room keeps more of its late
    energy than Sabine and Eyring say. Here the decay is averaged over all directions, which is what image
    sources do; there is a solution for every room and time.

    Source: Lehmann and Johansson, "Prediction of energy decay in room impulse responses simulated with an
    image-source model", 2008; the time by T30 of ISO 3382 (from -5 to -35 dB).
    """
    hits_D, share_D = _wall_hits(room), _octant()[1]
    loss = np.linspace(0, 40 / hits_D.mean(), 400)  # times seconds; 40 nepers are 174 dB
    energy_left = np.exp(-np.outer(loss, hits_D)) @ (share_D / hits_D)
    level_db = 10 * np.log10(energy_left / energy_left[0])
    begin, end = np.interp(_T30_DB, level_db[::-1], loss[::-1])
    return float((end - begin) * 60 / (_T30_DB[0] - _T30_DB[1]) / room.t60_s)


def late_power(room: Room, times_S: Floats) -> Floats:
    """Return the expected square of a sample of the impulse response at times in seconds.

    At a distance r there is one image source per volume of the room, each with energy 1 / r^2 minus what the
    walls absorbed; so the power is 4 pi c / V times the mean decay, per second.

    Source: Allen and Berkley, "Image method for efficiently simulating small-room acoustics", 1979.
    """
    hits_D, share_D = _wall_hits(room), _octant()[1]
    decay_S = np.exp(-np.outer(times_S, wall_loss(room) * hits_D)) @ share_D
    return np.asarray(4 * np.pi * SPEED_OF_SOUND / np.prod(room.size_m) / SAMPLE_RATE_HZ * decay_S)


def impulse_response(room: Room, source_m: Floats, microphone_m: Floats, rng: np.random.Generator) -> Floats:
    """Return the impulse response from source to microphone, both omnidirectional.

    Args:
        source_m: (3,) position in the room.
        microphone_m: (3,) position in the room.
        rng: draws the late part.

    Returns:
        (S,) at 16 kHz, from the click until 60 dB below; the direct sound has amplitude 1 / distance. Below
        100 Hz it is not to be trusted: image sources add up in phase there.
    """
    library = _library()
    seconds = min(room.t60_s, IMAGES_S)
    order = int(np.ceil(seconds * SPEED_OF_SOUND * np.linalg.norm(1 / np.array(room.size_m))))
    walls = library.Material(1 - np.exp(-wall_loss(room)))
    shoebox = library.ShoeBox(room.size_m, fs=SAMPLE_RATE_HZ, materials=walls, max_order=order)
    shoebox.add_source(source_m)
    shoebox.add_microphone(microphone_m)
    shoebox.compute_rir()
    before = library.constants.get("frac_delay_length") // 2
    early_S = np.asarray(shoebox.rir[0][0], dtype=np.float64)[before:]
    early_S = early_S[: int(seconds * SAMPLE_RATE_HZ)]
    times_S = np.arange(len(early_S), int(room.t60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    late_S = rng.standard_normal(len(times_S)) * np.sqrt(late_power(room, times_S))
    return np.concatenate([early_S, late_S])


def through_room(
    wave_S: Floats, room: Room, source_m: Floats, microphone_m: Floats, rng: np.random.Generator
) -> Floats:
    """Return a signal played at one place and recorded at another.

    Returns:
        (S,) from the arrival of the direct sound, as long as the signal: neither the way nor the echo after
        its end makes a file longer.
    """
    heard = fftconvolve(wave_S, impulse_response(room, source_m, microphone_m, rng))
    arrival = int(np.linalg.norm(source_m - microphone_m) / SPEED_OF_SOUND * SAMPLE_RATE_HZ)
    return np.asarray(heard[arrival : arrival + len(wave_S)])


@cache
def _library() -> ModuleType:
    import pyroomacoustics

    pyroomacoustics.constants.set("num_threads", 1)  # the last bits of its sums depend on the number
    library: ModuleType = pyroomacoustics
    return library
