"""Attacks on an all-pole model of the vocal tract: a vocoder and a voice conversion.

Shape suffixes: S samples, T frames, P prediction coefficients.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.attacks.pitch import pulses_and_noise, track_pitch
from fsd_model.corpus.signals import Floats, fit_length, frames, hann, overlap_add, stretch_frequency

_ORDER = 20
_LENGTH, _HOP, _FFT = 480, 120, 1024
_TAIL = 240  # samples in which a frame's filter may ring out


def levinson(autocorrelation_TP: Floats, order: int) -> tuple[Floats, Floats]:
    """Compute the prediction polynomials of many frames at once.

    Args:
        autocorrelation_TP: autocorrelation at lags 0 to `order`, (T, order + 1).
        order: number of coefficients.

    Returns:
        (T, order + 1) polynomials with leading 1, and (T,) powers of the prediction error.

    Source: Makhoul, "Linear prediction: a tutorial review", 1975, eq. 38.
    """
    polynomial = np.zeros((len(autocorrelation_TP), order + 1))
    polynomial[:, 0] = 1
    error = autocorrelation_TP[:, 0] + 1e-12
    # Step i extends the predictor of order i - 1: the new polynomial is the old one plus its mirror image,
    # weighted by the reflection coefficient, which takes the remaining correlation out of the error.
    for i in range(1, order + 1):
        known = polynomial[:, 1:i]
        mirrored = known[:, ::-1].copy()
        correlation = autocorrelation_TP[:, i] + (known * autocorrelation_TP[:, i - 1 : 0 : -1]).sum(1)
        reflection = -correlation / error
        polynomial[:, 1:i] += reflection[:, None] * mirrored
        polynomial[:, i] = reflection
        error = np.maximum(error * (1 - reflection**2), 1e-12)
    return polynomial, error


def analyse(wave_S: Floats) -> tuple[Floats, Floats]:
    """Return prediction polynomials and error powers of 30 ms frames, 7.5 ms apart."""
    power = np.abs(np.fft.rfft(frames(wave_S, _LENGTH, _HOP) * hann(_LENGTH), _FFT, axis=1)) ** 2
    autocorrelation = np.fft.irfft(power, axis=1)[:, : _ORDER + 1]
    autocorrelation[:, 0] = autocorrelation[:, 0] * 1.0001 + 1e-9  # white noise at -40 dB: stable filters
    return levinson(autocorrelation, _ORDER)


def _filter_frames(wave_S: Floats, top_TP: Floats, bottom_TP: Floats, gain_T: Floats) -> Floats:
    """Filter each windowed frame by its own top / bottom and overlap-add to the length of the signal."""
    pieces = frames(wave_S, _LENGTH, _HOP) * hann(_LENGTH) * gain_T[:, None]
    pieces = np.pad(pieces, ((0, 0), (0, _TAIL)))
    rows = [lfilter(top_TP[t], bottom_TP[t], pieces[t]) for t in range(len(pieces))]
    summed = overlap_add(np.asarray(rows), _HOP) * (2 * _HOP / _LENGTH)
    return fit_length(summed[_LENGTH // 2 :], len(wave_S))


def pulse_vocoder(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Pass pulses and noise through the all-pole filter of each frame (as in LPC-10 and its successors)."""
    polynomial, error = analyse(wave_S)
    excitation = pulses_and_noise(track_pitch(wave_S), len(wave_S), rng, breath=0.15)
    gain = np.sqrt(error / np.sum(hann(_LENGTH) ** 2))
    return _filter_frames(excitation, np.ones((len(polynomial), 1)), polynomial, gain)


def residual_conversion(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Pass the speaker's residual through a vocal tract with formants 8 to 20 % up or 7 to 16 % down."""
    factor = rng.uniform(1.08, 1.2) if rng.random() < 0.5 else rng.uniform(0.84, 0.93)
    polynomial, _ = analyse(wave_S)
    tract = 1 / np.maximum(np.abs(np.fft.rfft(polynomial, _FFT, axis=1)) ** 2, 1e-9)
    autocorrelation = np.fft.irfft(stretch_frequency(tract, factor), axis=1)[:, : _ORDER + 1]
    autocorrelation[:, 0] *= 1.0001
    converted, error = levinson(autocorrelation, _ORDER)
    return _filter_frames(wave_S, polynomial, converted, np.sqrt(error))
