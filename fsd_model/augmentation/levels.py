"""Levels of signals: keep them within [-1, 1], mix them at a signal-to-noise ratio.

Shapes: S samples.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Signal: TypeAlias = NDArray[np.float64]


def limit(wave_S: Signal) -> Signal:
    """Return the signal (S,), scaled to a peak of 1 where it is louder."""
    peak = np.abs(wave_S).max()
    return wave_S / peak if peak > 1 else wave_S


def add_at_snr(wave_S: Signal, noise_S: Signal, snr_db: float) -> Signal:
    """Add noise at a signal-to-noise ratio, before any limiting.

    Args:
        wave_S: (S,) signal.
        noise_S: (S,) noise of any level.
        snr_db: energy of the signal over the energy of the added noise.

    Returns:
        (S,); the signal itself where signal or noise is silent, as no ratio is defined there.
    """
    signal, noise = _energy(wave_S), _energy(noise_S)
    if not noise > 0:
        return wave_S
    return wave_S + noise_S * (math.sqrt(signal / noise) * 10 ** (-snr_db / 20))


def _energy(wave_S: Signal) -> float:
    # summed by NumPy, not by BLAS: its threads, if busy elsewhere, cost 6 ms and may change the last bit
    return float(np.square(wave_S).sum())
