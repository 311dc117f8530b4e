"""Attacks that throw the phase away and guess a new one from magnitudes (Griffin-Lim)."""

from __future__ import annotations

from functools import cache

import numpy as np

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.signals import TINY, Floats, istft, mel_bank, stft

_LENGTH, _HOP = 1024, 256
_MEL_BANDS = 80


def phase_from_magnitude(
    magnitude_TK: Floats, rounds: int, samples: int, rng: np.random.Generator, momentum: float = 0.99
) -> Floats:
    """Return a signal whose short-time magnitude approximates the given one.

    Source: Perraudin et al., "A fast Griffin-Lim algorithm", 2013.
    """
    phase = np.exp(2j * np.pi * rng.random(magnitude_TK.shape))
    before = np.zeros_like(phase)
    # Each round keeps the phase of a real signal nearest to the spectrum and extrapolates its last change.
    for _ in range(rounds):
        again = stft(istft(magnitude_TK * phase, _LENGTH, _HOP, samples), _LENGTH, _HOP)[: len(phase)]
        ahead = again + momentum * (again - before)
        phase, before = ahead / (np.abs(ahead) + TINY), again
    return istft(magnitude_TK * phase, _LENGTH, _HOP, samples)


@cache
def _mel_inverse() -> Floats:
    return np.asarray(np.linalg.pinv(mel_bank(_MEL_BANDS, _LENGTH)))


def mel_inversion(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Invert an 80-band mel spectrogram: the classical back end of neural speech synthesis."""
    mel = np.abs(stft(wave_S, _LENGTH, _HOP)) @ mel_bank(_MEL_BANDS, _LENGTH).T
    magnitude = np.maximum(mel @ _mel_inverse().T, 1e-5)
    return phase_from_magnitude(magnitude, 24, len(wave_S), rng)


def linear_tempo(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Read linear-frequency magnitudes at another tempo (0.9 to 1.1) and estimate a new phase."""
    magnitude = np.abs(stft(wave_S, _LENGTH, _HOP))
    tempo = rng.uniform(0.9, 1.1)
    samples = int(len(wave_S) / tempo)
    place = np.minimum(np.arange(samples // _HOP + 2) * tempo, len(magnitude) - 1.001)
    low = place.astype(int)
    part = (place - low)[:, None]
    return phase_from_magnitude(magnitude[low] * (1 - part) + magnitude[low + 1] * part, 30, samples, rng)
