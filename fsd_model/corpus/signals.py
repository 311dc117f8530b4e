"""Signal tools that the attacks share: frames, spectra, mel bank, cepstra, resampling.

Shape suffixes: S samples, T frames, K frequency bins, C cepstral coefficients.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

SAMPLE_RATE_HZ = 16_000
TINY = 1e-10


def rms(wave_S: Floats) -> float:
    """Return the root mean square of a signal; never zero, so that it can divide."""
    return float(np.sqrt(np.mean(wave_S * wave_S) + 1e-12))


def frames(wave_S: Floats, length: int, hop: int) -> Floats:
    """Return overlapping frames, centred on multiples of `hop`; zeros beyond both ends.

    Returns:
        (S // hop + 2, length), read-only view.
    """
    padded = np.pad(wave_S, (length // 2, length // 2 + hop))
    return np.lib.stride_tricks.sliding_window_view(padded, length)[::hop]


@cache
def hann(length: int) -> Floats:
    """Return the periodic Hann window: copies shifted by length / 2 add up to one."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def stft(wave_S: Floats, length: int, hop: int) -> Spectrum:
    """Return the short-time spectrum (T, length // 2 + 1) with a Hann window."""
    return np.asarray(np.fft.rfft(frames(wave_S, length, hop) * hann(length), axis=1))


def overlap_add(pieces_TN: Floats, hop: int) -> Floats:
    """Return the sum of frames placed `hop` samples apart."""
    count, length = pieces_TN.shape
    # Each frame is cut into blocks of one hop: block k of frame t falls on block t + k of the sum, so that a
    # loop over a few k adds all frames at once.
    stride = -(-length // hop)
    blocks = np.pad(pieces_TN, ((0, 0), (0, stride * hop - length))).reshape(count, stride, hop)
    total = np.zeros((count + stride, hop))
    for k in range(stride):
        total[k : k + count] += blocks[:, k]
    return total.ravel()


def istft(spectrum_TK: Spectrum, length: int, hop: int, samples: int) -> Floats:
    """Return the least-squares inverse of `stft`, cut or zero-filled to `samples`.

    Source: Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984, eq. 6.
    """
    pieces = np.fft.irfft(spectrum_TK, length, axis=1) * hann(length)
    weight = overlap_add(np.broadcast_to(hann(length) ** 2, pieces.shape), hop)
    wave = (overlap_add(pieces, hop) / np.maximum(weight, 1e-3))[length // 2 :]
    return fit_length(wave, samples)


def fit_length(wave_S: Floats, samples: int) -> Floats:
    """Return the first `samples` samples, with zeros where the signal is shorter."""
    return np.pad(wave_S[:samples], (0, max(0, samples - len(wave_S))))


def frame_level_db(wave_S: Floats, length: int = 400, hop: int = 160) -> Floats:
    """Return the mean power of each frame in dB re full scale (floor -120 dB)."""
    return np.asarray(10 * np.log10((frames(wave_S, length, hop) ** 2).mean(1) + 1e-12))


def resample(wave_S: Floats, old_hz: int, new_hz: int) -> Floats:
    """Resample by a polyphase filter between integer rates."""
    common = int(np.gcd(old_hz, new_hz))
    return np.asarray(resample_poly(wave_S, new_hz // common, old_hz // common))


@cache
def mel_bank(bands: int, length: int) -> Floats:
    """Return triangular filters, equally spaced on the mel scale (O'Shaughnessy), each summing to one.

    Returns:
        (bands, length // 2 + 1)
    """
    top = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    bins_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, length // 2 + 1)
    rise = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    fall = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    bank = np.maximum(0, np.minimum(rise, fall))
    return np.asarray(bank / np.maximum(bank.sum(1, keepdims=True), TINY))


def mel_cepstrum(wave_S: Floats, coefficients: int = 20, hop: int = 160) -> Floats:
    """Return the mel cepstrum (T, coefficients) of 32 ms frames, by which units are compared."""
    log_mel = np.log(np.maximum(np.abs(stft(wave_S, 512, hop)) @ mel_bank(40, 512).T, 1e-6))
    basis = np.cos(np.pi / 40 * np.outer(np.arange(coefficients), np.arange(40) + 0.5))
    return np.asarray(log_mel @ basis.T * np.sqrt(2 / 40))


def real_cepstrum(magnitude_TK: Floats, order: int) -> Floats:
    """Return the first order + 1 coefficients of the real cepstrum: the smooth part of the log spectrum."""
    return np.asarray(np.fft.irfft(np.log(magnitude_TK + 1e-6), axis=1)[:, : order + 1])


def envelope_from_cepstrum(cepstrum_TC: Floats, length: int) -> Floats:
    """Return the magnitude (T, length // 2 + 1) of a truncated real cepstrum."""
    folded = cepstrum_TC.copy()
    folded[:, 1:] *= 2  # the negative quefrencies mirror the positive ones
    return np.asarray(np.exp(np.fft.rfft(folded, length, axis=1).real))


def stretch_frequency(magnitude_TK: Floats, factor: float) -> Floats:
    """Move the content at each frequency f to f * factor (formants go up for factor > 1)."""
    bins = magnitude_TK.shape[1]
    place = np.minimum(np.arange(bins) / factor, bins - 1)
    low = place.astype(int)
    part = place - low
    high = np.minimum(low + 1, bins - 1)
    return np.asarray(magnitude_TK[:, low] * (1 - part) + magnitude_TK[:, high] * part)
