"""Voice conversion by moving the waveform itself in time and pitch, without a model of the voice."""

from __future__ import annotations

import numpy as np
from scipy.signal import fftconvolve

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.signals import (
    Floats,
    envelope_from_cepstrum,
    fit_length,
    hann,
    istft,
    real_cepstrum,
    resample,
    stft,
)

_GRAIN = 512
_TOLERANCE = 160
_LENGTH, _HOP = 1024, 256
_ENVELOPE_ORDER = 30


def overlap_similar(wave_S: Floats, stretch: float) -> Floats:
    """Stretch time by grains that are shifted to match what they overlap (WSOLA); pitch stays.

    Source: Verhelst and Roelands, "An overlap-add technique based on waveform similarity ...", 1993.
    """
    half = _GRAIN // 2
    samples = int(len(wave_S) * stretch)
    before = _TOLERANCE + _GRAIN
    padded = np.pad(wave_S, (before, 2 * _GRAIN + _TOLERANCE))
    stretched = np.zeros(samples + 2 * _GRAIN)
    start = before
    for k in range(samples // half):
        place = int(k * half / stretch) + before
        if k:
            # the grain that continues the last one in the recording is the best neighbour; take the most
            # similar one near the place that the new tempo asks for
            natural = padded[start + half : start + half + _GRAIN]
            near = padded[place - _TOLERANCE : place + _TOLERANCE + _GRAIN]
            place += int(np.argmax(fftconvolve(near, natural[::-1], "valid"))) - _TOLERANCE
        start = place
        stretched[k * half : k * half + _GRAIN] += padded[start : start + _GRAIN] * hann(_GRAIN)
    return stretched[:samples]


def similarity_conversion(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Move pitch and formants together, by WSOLA and resampling, 8 to 22 % up or 7 to 18 % down."""
    percent = int(rng.integers(108, 123) if rng.random() < 0.5 else rng.integers(82, 94))
    stretched = overlap_similar(wave_S, percent / 100)
    return fit_length(resample(stretched, percent, 100), len(wave_S))


def phase_vocoder_stretch(wave_S: Floats, stretch: float) -> Floats:
    """Stretch time by advancing the phase of every bin at its own frequency; pitch stays.

    Source: Flanagan and Golden, "Phase vocoder", 1966.
    """
    spectrum = stft(wave_S, _LENGTH, _HOP)
    samples = int(len(wave_S) * stretch)
    place = np.minimum(np.arange(samples // _HOP + 2) / stretch, len(spectrum) - 1.001)
    low = place.astype(int)
    part = (place - low)[:, None]
    magnitude = np.abs(spectrum[low]) * (1 - part) + np.abs(spectrum[low + 1]) * part
    # A bin's frequency is its centre plus what its phase gained over the centre's in one hop, wrapped to
    # [-pi, pi]; the phases of the new frames add up these advances.
    expected = 2 * np.pi * _HOP * np.arange(spectrum.shape[1]) / _LENGTH
    change = np.angle(spectrum[low + 1]) - np.angle(spectrum[low]) - expected
    change -= 2 * np.pi * np.round(change / (2 * np.pi))
    advance = expected + change
    phase = np.angle(spectrum[0]) + np.cumsum(advance, axis=0) - advance[0]
    return istft(magnitude * np.exp(1j * phase), _LENGTH, _HOP, samples)


def phase_vocoder_conversion(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Move the pitch 12 to 35 % up or 10 to 25 % down while the spectral envelope stays."""
    percent = int(rng.integers(112, 136) if rng.random() < 0.5 else rng.integers(75, 91))
    stretched = phase_vocoder_stretch(wave_S, percent / 100)
    moved = stft(fit_length(resample(stretched, percent, 100), len(wave_S)), _LENGTH, _HOP)
    envelope = (_envelope(np.abs(stft(wave_S, _LENGTH, _HOP))), _envelope(np.abs(moved)))
    gain = np.clip(envelope[0] / envelope[1], 0.05, 20)
    return istft(moved * gain, _LENGTH, _HOP, len(wave_S))


def _envelope(magnitude_TK: Floats) -> Floats:
    return envelope_from_cepstrum(real_cepstrum(magnitude_TK, _ENVELOPE_ORDER), _LENGTH)
