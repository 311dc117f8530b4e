"""Vocoders that keep a cepstral envelope and the pitch, and build the voice anew from these.

Shape suffixes: S samples, T frames (5 ms), K bins, H harmonics.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.attacks.pitch import HOP, LOWEST_HZ, track_pitch
from fsd_model.corpus.signals import (
    SAMPLE_RATE_HZ,
    Floats,
    envelope_from_cepstrum,
    hann,
    istft,
    real_cepstrum,
    stft,
)

_LENGTH = 512
_SCALE = 1 / np.sqrt(np.sum(hann(_LENGTH) ** 2))  # from a windowed spectrum to a density
_RESPONSE = 400  # samples of the vocal tract's answer to one pulse
_VOICED_TOP_HZ = 4500.0  # above it even voiced speech is made of noise
_NOISE_LEAK = 0.03


def _analyse(wave_S: Floats, order: int) -> tuple[Floats, Floats]:
    """Return cepstra and pitch of the same 5 ms frames."""
    cepstrum = real_cepstrum(np.abs(stft(wave_S, _LENGTH, HOP)), order)
    pitch = track_pitch(wave_S)
    return cepstrum[: len(pitch)], pitch[: len(cepstrum)]


def smoothed_pulses(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Resynthesise by minimum-phase pulses and noise from 26 cepstral coefficients smoothed over 25 ms.

    The smoothing stands for the over-smooth trajectories of statistical parametric synthesis.

    Source: Imai, "Cepstral analysis synthesis on the mel frequency scale", 1983 (here on a linear scale).
    """
    cepstrum, pitch = _analyse(wave_S, 26)
    causal = uniform_filter1d(cepstrum, 5, axis=0)
    causal[:, 1:] *= 2  # the cepstrum of the minimum-phase signal with the same magnitude
    response = np.fft.irfft(np.exp(np.fft.rfft(causal, _LENGTH, axis=1)), axis=1)[:, :_RESPONSE] * _SCALE
    voice = np.zeros(len(wave_S) + 2 * _RESPONSE)
    place = 0.0
    while place < len(wave_S):
        frame = min(int(place / HOP), len(pitch) - 1)
        period = SAMPLE_RATE_HZ / pitch[frame] if pitch[frame] > 0 else float(HOP)
        pulse = np.sqrt(period) * response[frame]
        piece = pulse if pitch[frame] > 0 else fftconvolve(rng.standard_normal(HOP), response[frame])
        voice[int(place) : int(place) + len(piece)] += piece
        place += period
    return voice[: len(wave_S)]


def _harmonics(pitch_T: Floats, envelope_TK: Floats, samples: int) -> Floats:
    """Return the sum of harmonics below the voiced top, with amplitudes from the envelope."""
    voiced = pitch_T > 0
    time_T = np.arange(samples) / HOP
    frames_T = np.arange(len(pitch_T))
    pitch_S = np.interp(time_T, frames_T[voiced], pitch_T[voiced])
    angle_S = 2 * np.pi * np.cumsum(pitch_S) / SAMPLE_RATE_HZ
    total = np.zeros(samples)
    for k in range(1, int(_VOICED_TOP_HZ / pitch_T[voiced].min()) + 1):
        audible = voiced & (pitch_T * k < _VOICED_TOP_HZ)
        bins = np.minimum(pitch_T * k / SAMPLE_RATE_HZ * _LENGTH, _LENGTH // 2).astype(int)
        strength = np.where(audible, envelope_TK[frames_T, bins], 0)
        total += np.interp(time_T, frames_T, strength) * np.cos(k * angle_S + 0.4 * k * k / 30)
    return np.asarray(total * np.sqrt(pitch_S / SAMPLE_RATE_HZ) * 2 * _SCALE)


def _shaped_noise(pitch_T: Floats, envelope_TK: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Return noise under the envelope: at all frequencies where unvoiced, else above the voiced top."""
    bins_hz = np.arange(_LENGTH // 2 + 1) * SAMPLE_RATE_HZ / _LENGTH
    above = 1 / (1 + np.exp(-(bins_hz - _VOICED_TOP_HZ) / 300)) + _NOISE_LEAK
    shape = np.where((pitch_T > 0)[:, None], above, 1.0) * envelope_TK * _SCALE
    noise = stft(rng.standard_normal(samples), _LENGTH, HOP)[: len(shape)]
    return istft(noise * shape[: len(noise)], _LENGTH, HOP, samples)


def harmonics_and_noise(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Resynthesise by the harmonic plus noise model with invented phases.

    Source: Stylianou, "Applying the harmonic plus noise model in concatenative speech synthesis", 2001.
    """
    cepstrum, pitch = _analyse(wave_S, 40)
    envelope = envelope_from_cepstrum(cepstrum, _LENGTH)
    noise = _shaped_noise(pitch, envelope, len(wave_S), rng)
    if pitch.max() < LOWEST_HZ:
        return noise
    return noise + _harmonics(pitch, envelope, len(wave_S))
