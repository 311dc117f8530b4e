"""Last steps of every file, the same for bona fide and spoof, so no side effect tells them apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import fftconvolve, firwin, lfilter

from fsd_model.corpus.signals import SAMPLE_RATE_HZ, Floats, frame_level_db, hann, rms

_LOW_CUT = firwin(801, 60, fs=SAMPLE_RATE_HZ, pass_zero=False)
_HIGH_CUT = firwin(161, 7300, fs=SAMPLE_RATE_HZ)
_MARGIN_S = (0.02, 0.12)
_FADE = 80
_NOISE_BELOW_DB = (40.0, 60.0)
_LEVEL_DB = (-26.0, 2.0)  # mean and deviation, dB re full scale
_FRAME = 160
_LIMITER = 320
_CREST = (3.8, 5.2)  # ceiling over the root mean square
_ROTATORS = 12
_ROTATOR_HZ = (80.0, 4000.0)
_ROTATOR_WIDTH = (0.3, 1.0)  # bandwidth over centre frequency


def cut_low(wave_S: Floats) -> Floats:
    """Remove what lies below 60 Hz: hum and offset."""
    return np.asarray(fftconvolve(wave_S, _LOW_CUT, "same"))


def trim(wave_S: Floats, below_db: float) -> Floats:
    """Cut both ends where the level stays more than `below_db` under the loud frames."""
    level = uniform_filter1d(frame_level_db(wave_S), 3)
    loud = np.flatnonzero(level > np.percentile(level, 95) - below_db)
    return wave_S[max(0, loud[0] * _FRAME - 200) : loud[-1] * _FRAME + 200]


def rotate_phase(wave_S: Floats, rng: np.random.Generator) -> Floats:
    """Apply a random polarity and random all-pass filters, like the phase rotators of broadcast chains.

    The spectrum stays; the shape of the waveform, which could give a vocoder away, becomes random.
    """
    rotated = wave_S * rng.choice((-1.0, 1.0))
    low, high = np.log(_ROTATOR_HZ)
    for frequency in np.exp(rng.uniform(low, high, size=_ROTATORS)):
        radius = np.exp(-np.pi * frequency * rng.uniform(*_ROTATOR_WIDTH) / SAMPLE_RATE_HZ)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * frequency / SAMPLE_RATE_HZ), radius**2]
        rotated = lfilter(poles[::-1], poles, rotated)
    return np.asarray(rotated)


def limit_peaks(wave_S: Floats, ceiling: float) -> Floats:
    """Turn the gain down, smoothly over 20 ms, wherever the signal would exceed the ceiling.

    Recorded speech went through limiters that a synthesiser does not have; here each file meets the same one.
    """
    # Take the lowest gain within 10 ms, then smooth it over the same width: the average can then never exceed
    # the gain that a sample needs.
    needed = np.minimum(1.0, ceiling / np.maximum(np.abs(wave_S), 1e-9))
    lowest = minimum_filter1d(needed, _LIMITER + 1)
    smooth = np.convolve(np.pad(lowest, _LIMITER // 2, mode="edge"), hann(_LIMITER)[1:], "same")
    gain = smooth[_LIMITER // 2 : _LIMITER // 2 + len(wave_S)] / hann(_LIMITER).sum()
    return np.asarray(wave_S * gain)


def _margins(wave_S: Floats, rng: np.random.Generator) -> Floats:
    before, after = (int(seconds * SAMPLE_RATE_HZ) for seconds in rng.uniform(*_MARGIN_S, size=2))
    faded = wave_S.copy()
    faded[:_FADE] *= np.linspace(0, 1, _FADE)
    faded[-_FADE:] *= np.linspace(1, 0, _FADE)
    return np.pad(faded, (before, after))


def _noise_floor(samples: int, rng: np.random.Generator) -> Floats:
    """Return coloured noise of unit power."""
    noise = lfilter([1.0], [1.0, -rng.uniform(0, 0.9)], rng.standard_normal(samples + 400))[400:]
    return np.asarray(noise / rms(noise))


def finish(wave_S: Floats, rng: np.random.Generator) -> NDArray[np.int16]:
    """Apply phase, trim, peaks, margins, noise floor, band limit, level and dither, in this order.

    Args:
        wave_S: an utterance at 16 kHz, any level.

    Returns:
        16-bit samples, about -26 dB re full scale, never clipped.
    """
    speech = rotate_phase(cut_low(wave_S), rng)
    trimmed = trim(speech / rms(speech), 32)
    limited = limit_peaks(trimmed, rng.uniform(*_CREST) * rms(trimmed))
    placed = _margins(limited, rng)
    floor = _noise_floor(len(placed), rng) * rms(placed) * 10 ** (-rng.uniform(*_NOISE_BELOW_DB) / 20)
    smooth = cut_low(fftconvolve(placed + floor, _HIGH_CUT, "same"))
    level = smooth * 10 ** (rng.normal(*_LEVEL_DB) / 20) / rms(smooth)
    level *= min(1.0, 0.95 / np.abs(level).max())
    dither = rng.random(len(level)) - rng.random(len(level))
    return np.asarray(np.round(level * 32767 + dither), dtype=np.int16)
