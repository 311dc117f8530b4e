"""Voice conversion by filtering a recording towards another speaker's spectra.

Shape suffixes: S samples, T frames, U frames of the target speaker, C cepstral coefficients.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.signals import (
    Floats,
    envelope_from_cepstrum,
    frame_level_db,
    istft,
    real_cepstrum,
    rms,
    stft,
)

_LENGTH, _HOP = 512, 128
_ORDER = 20
_NEIGHBOURS = 5
_LOUDEST_GAIN = np.log(10.0)


def _nearest_mean(source_TC: Floats, target_UC: Floats) -> Floats:
    """Return the mean of the target frames nearest to each source frame in centred coefficients 1 to 15."""
    query = (source_TC - source_TC.mean(0))[:, 1:16]
    keys = (target_UC - target_UC.mean(0))[:, 1:16]
    # squared distance without the source's own square, which does not change the order
    distance = (keys**2).sum(1) - 2 * query @ keys.T
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :_NEIGHBOURS]
    return np.asarray(target_UC[nearest].mean(1))


def differential_filter(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Filter a recording by the difference of two speakers' cepstra (direct waveform modification).

    Source: Kobayashi and Toda, "Statistical singing voice conversion with direct waveform modification based
    on the spectrum differential", 2014 (with nearest neighbours in place of a Gaussian mixture).
    """
    target = np.concatenate(material.other_voice)
    loud = frame_level_db(target, _LENGTH, _HOP)
    target_cepstrum = real_cepstrum(np.abs(stft(target, _LENGTH, _HOP)), _ORDER)
    spectrum = stft(wave_S, _LENGTH, _HOP)
    cepstrum = real_cepstrum(np.abs(spectrum), _ORDER)
    converted_cepstrum = _nearest_mean(cepstrum, target_cepstrum[loud > np.percentile(loud, 40)])
    change = uniform_filter1d(converted_cepstrum - cepstrum, 5, axis=0)
    change[:, 0] = 0
    gain = envelope_from_cepstrum(change, _LENGTH)
    limited = np.clip(gain, np.exp(-_LOUDEST_GAIN), np.exp(_LOUDEST_GAIN))
    converted = istft(spectrum * limited, _LENGTH, _HOP, len(wave_S))
    return converted * (rms(wave_S) / rms(converted))
