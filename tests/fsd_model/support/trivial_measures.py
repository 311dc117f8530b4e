"""Measures of a file that need no idea of speech; none of them alone may tell a fake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import stft
from scipy.stats import kurtosis, skew

Wave = NDArray[np.float64]


def frame_level_db(wave: Wave) -> Wave:
    """Level of 10 ms frames in dB re full scale."""
    count = len(wave) // 160
    power = (wave[: count * 160].reshape(count, 160) ** 2).mean(1)
    return np.asarray(10 * np.log10(power + 1e-12))


def _below_loud(wave: Wave) -> NDArray[np.bool_]:
    level = frame_level_db(wave)
    return np.asarray(level < np.percentile(level, 95) - 25)


def _roll_off(wave: Wave, share: float) -> float:
    power = (np.abs(stft(wave, nperseg=512)[2]) ** 2).sum(1)
    return float(np.searchsorted(np.cumsum(power), share * power.sum()))


def _rms(wave: Wave) -> float:
    return float(np.sqrt(np.mean(wave**2)))


MEASURES: dict[str, Callable[[Wave], float]] = {
    "duration": lambda wave: float(len(wave)),
    "level": _rms,
    "peak": lambda wave: float(np.abs(wave).max()),
    "crest": lambda wave: float(np.abs(wave).max() / _rms(wave)),
    "silence share": lambda wave: float(_below_loud(wave).mean()),
    "leading silence": lambda wave: float(np.argmin(_below_loud(wave))),
    "trailing silence": lambda wave: float(np.argmin(_below_loud(wave)[::-1])),
    "noise floor": lambda wave: float(np.percentile(frame_level_db(wave), 3)),
    "dynamic range": lambda wave: float(np.ptp(np.percentile(frame_level_db(wave), [3, 95]))),
    "95 % roll-off": lambda wave: _roll_off(wave, 0.95),
    "99 % roll-off": lambda wave: _roll_off(wave, 0.99),
    "zero samples": lambda wave: float(np.mean(wave == 0)),
    "zero crossings": lambda wave: float(np.mean(np.diff(np.sign(wave)) != 0)),
    "offset": lambda wave: float(abs(wave.mean())),
    "skewness": lambda wave: float(skew(wave)),
    "kurtosis": lambda wave: float(kurtosis(wave)),
}


def equal_error_rate(bonafide: Wave, spoof: Wave) -> float:
    """Where as many bona fide values lie below a threshold as spoof values above it; ties count half."""
    thresholds = np.unique(np.concatenate([bonafide, spoof]))
    missed = np.array([np.mean(bonafide < t) + 0.5 * np.mean(bonafide == t) for t in thresholds])
    passed = np.array([np.mean(spoof > t) + 0.5 * np.mean(spoof == t) for t in thresholds])
    nearest = np.argmin(np.abs(missed - passed))
    return float(missed[nearest] + passed[nearest]) / 2
