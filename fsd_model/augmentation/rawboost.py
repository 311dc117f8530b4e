"""RawBoost: convolutive, impulsive and stationary noise for recordings, without any noise data.

Written from the description of Tak, Kamble, Patino, Todisco, Evans, "RawBoost" (ICASSP 2022, sections 2-3).
Two liberties, neither of which changes what is described: filtered signals stay in step with the recording
(the delay of the linear-phase filters is taken out to the sample), and notch filters keep their polarity
(they are not scaled to their response at 0 Hz, which may be negative; the whole filter is scaled anyway).

Every function is one of (settings, recording, generator). Recordings are (S,) float64 in [-1, 1]; results are
of the same length, at most 1 in magnitude, and finite.

Shapes: S samples, N taps.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.random import Generator
from scipy.signal import firwin, freqz, oaconvolve

from fsd_model.augmentation.config import RawBoostConfig
from fsd_model.augmentation.levels import Signal, add_at_snr, limit
from fsd_model.data.audio import SAMPLE_RATE

SERIES: dict[int, tuple[int, ...]] = {
    1: (1,), 2: (2,), 3: (3,), 4: (1, 2, 3), 5: (1, 2), 6: (1, 3), 7: (2, 3),
}  # fmt: skip
_EDGE_HZ = 1e-3  # how close a notch may come to 0 Hz and to 8 kHz


def rawboost(config: RawBoostConfig, wave_S: Signal, rng: Generator) -> Signal:
    """Apply the configured algorithm, see `RawBoostConfig`."""
    if config.algorithm == 8:
        return limit(convolutive(config, wave_S, rng) + impulsive(config, wave_S, rng))
    return reduce(lambda signal_S, n: _PARTS[n](config, signal_S, rng), SERIES[config.algorithm], wave_S)


def convolutive(config: RawBoostConfig, wave_S: Signal, rng: Generator) -> Signal:
    """Apply algorithm 1: sum the powers x, x^2, ... of the recording, each through its own notches.

    The powers from the second on are `bias_db` quieter. The mean is taken out.

    Source: RawBoost, equation 1.
    """
    total_S, power_S = np.zeros_like(wave_S), np.ones_like(wave_S)
    for power in range(1, config.order + 1):
        bias = config.bias_db if power > 1 else (0.0, 0.0)
        ends = config.gain_db[0] - bias[0], config.gain_db[1] - bias[1]
        gain_db = rng.uniform(min(ends), max(ends))
        power_S = power_S * wave_S
        total_S += _filtered(power_S, notch_filter(config, gain_db, rng))
    return limit(total_S - total_S.mean())


def impulsive(config: RawBoostConfig, wave_S: Signal, rng: Generator) -> Signal:
    """Apply algorithm 2: change a random share of the samples, each in proportion to its value.

    The factor is `impulse_gain` times the product of two even draws from [-1, 1].

    Source: RawBoost, equation 2.
    """
    count = int(len(wave_S) * rng.uniform(0, config.impulse_share))
    places = rng.choice(len(wave_S), count, replace=False, shuffle=False)
    factor = rng.uniform(-1, 1, count) * rng.uniform(-1, 1, count)
    changed_S = wave_S.copy()
    changed_S[places] *= 1 + config.impulse_gain * factor
    return limit(changed_S)


def stationary(config: RawBoostConfig, wave_S: Signal, rng: Generator) -> Signal:
    """Apply algorithm 3: add white noise through notches at a random ratio, so `gain_db` has no effect.

    Source: RawBoost, equation 3.
    """
    noise_S = _filtered(rng.standard_normal(len(wave_S)), notch_filter(config, 0.0, rng))
    return limit(add_at_snr(wave_S, noise_S, rng.uniform(*config.snr_db)))


def notch_filter(config: RawBoostConfig, gain_db: float, rng: Generator) -> Signal:
    """Return the taps (N,) of a linear-phase filter with `config.bands` random notches; N is odd.

    Args:
        config: number of notches, and the ranges of centre, width and taps of each.
        gain_db: largest magnitude of the response over frequency.
        rng: draws centre, width and taps of each notch, in this order.
    """
    taps_N = np.ones(1)
    for _ in range(config.bands):
        centre, width = rng.uniform(*config.centre_hz), rng.uniform(*config.width_hz)
        count = int(rng.integers(*config.taps, endpoint=True)) | 1
        low = max(centre - width / 2, _EDGE_HZ)
        high = min(centre + width / 2, SAMPLE_RATE / 2 - _EDGE_HZ)
        notch_N = firwin(count, [low, high], pass_zero="bandstop", scale=False, fs=SAMPLE_RATE)
        taps_N = np.convolve(notch_N, taps_N)
    _, response = freqz(taps_N)
    return np.asarray(taps_N * (10 ** (gain_db / 20) / np.abs(response).max()))


def _filtered(wave_S: Signal, taps_N: Signal) -> Signal:
    return np.asarray(oaconvolve(wave_S, taps_N, mode="same"))


_PARTS = {1: convolutive, 2: impulsive, 3: stationary}
