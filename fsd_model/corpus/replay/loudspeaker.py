"""The attacker's loudspeaker: its band and its distortion, by the quality letter of an attack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.signal import butter, sosfilt

from fsd_model.corpus.signals import SAMPLE_RATE_HZ, Floats

Quality = Literal["A", "B", "C"]

_LOWER_HZ = {"B": (50.0, 600.0), "C": (600.0, 1200.0)}
_UPPER_HZ = {"C": (3000.0, 7000.0)}  # B plays more than 10 kHz, beyond what a file at 16 kHz holds
_LINEARITY_DB = {"B": (100.0, 120.0), "C": (20.0, 60.0)}
_EVEN = 0.5  # share of the second harmonic, that of an unsymmetric cone, beside the third


@dataclass(frozen=True)
class Loudspeaker:
    """An imperfect loudspeaker.

    Attributes:
        lower_hz: lower edge of its band, 12 dB per octave: a closed box.
        upper_hz: upper edge, 24 dB per octave; None is beyond 8 kHz.
        linearity_db: power of what it should play over that of what it adds.
    """

    lower_hz: float
    upper_hz: float | None
    linearity_db: float


def draw_loudspeaker(quality: Quality, rng: np.random.Generator) -> Loudspeaker | None:
    """Draw a loudspeaker of a quality; None is the perfect one, A.

    Source: README.PA.txt of ASVspoof 2019 for the limits between B and C (band of 10 kHz, lower edge of
    600 Hz, linearity of 100 dB); the outer ends of the ranges are ours.
    """
    if quality == "A":
        return None
    low, high = _LOWER_HZ[quality]
    lower_hz = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    upper_hz = float(rng.uniform(*_UPPER_HZ[quality])) if quality in _UPPER_HZ else None
    return Loudspeaker(lower_hz, upper_hz, float(rng.uniform(*_LINEARITY_DB[quality])))


def play(wave_S: Floats, device: Loudspeaker | None) -> Floats:
    """Play a signal through a loudspeaker, independent of the signal's level.

    The distortion is of the second and third order, in the device's band, without the part that is a copy of
    the signal; so `linearity_db` holds exactly.
    """
    if device is None:
        return wave_S
    driven_S = wave_S / np.abs(wave_S).max()
    linear_S = _in_band(driven_S, device)
    added_S = _in_band(_EVEN * driven_S**2 + (1 - _EVEN) * driven_S**3, device)
    added_S = added_S - linear_S * (added_S @ linear_S) / (linear_S @ linear_S)
    gain = np.sqrt((linear_S @ linear_S) / (added_S @ added_S) * 10 ** (-device.linearity_db / 10))
    return np.asarray(linear_S + gain * added_S)


def _in_band(wave_S: Floats, device: Loudspeaker) -> Floats:
    low_cut = butter(2, device.lower_hz, "highpass", fs=SAMPLE_RATE_HZ, output="sos")
    heard_S = sosfilt(low_cut, wave_S)
    if device.upper_hz is not None:
        heard_S = sosfilt(butter(4, device.upper_hz, fs=SAMPLE_RATE_HZ, output="sos"), heard_S)
    return np.asarray(heard_S)
