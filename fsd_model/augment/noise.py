"""Additive noise, made or recorded.

Shapes: S samples.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from fsd_model.augment.config import NoiseConfig
from fsd_model.augment.level import Signal, add_at_snr, limit
from fsd_model.augment.noise_files import NoiseFiles


def add_noise(config: NoiseConfig, files: NoiseFiles | None, wave_S: Signal, rng: Generator) -> Signal:
    """The recording with noise at a random signal-to-noise ratio.

    Args:
        config: colour and ratio.
        files: where the noise comes from; None makes coloured noise.
        wave_S: (S,) in [-1, 1], 16 kHz.
        rng: draws ratio and noise.

    Returns:
        (S,), scaled down where the peak would pass 1 (the ratio stays); silence stays silence.
    """
    snr_db = rng.uniform(*config.snr_db)
    if files is None:
        noise_S = coloured_noise(len(wave_S), rng.uniform(*config.colour), rng)
    else:
        noise_S = files.piece(len(wave_S), rng)
    return limit(add_at_snr(wave_S, noise_S, snr_db))


def coloured_noise(samples: int, colour: float, rng: Generator) -> Signal:
    """Gaussian noise (S,) whose power falls as 1/f^colour; below the lowest bin it is flat."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-colour / 2)
    return np.fft.irfft(spectrum, samples)
