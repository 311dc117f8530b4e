"""Signals for tests of augmentation."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


def speech_like(samples: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """Gaussian noise with a slow envelope, well below 1."""
    time = np.arange(samples) / 16000
    noise = np.random.default_rng(seed).standard_normal(samples)
    return np.clip(level * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)) * noise, -0.9, 0.9)


def ratio_db(signal: np.ndarray, noise: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(signal**2) / np.sum(noise**2)))


def band_db(signal: np.ndarray, low: float, high: float, rate: int = 16000) -> float:
    """Energy between two frequencies."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    hertz = np.fft.rfftfreq(len(signal), 1 / rate)
    return float(10 * np.log10(power[(hertz >= low) & (hertz < high)].sum() + 1e-30))


@st.composite
def awkward_signals(draw: st.DrawFn) -> np.ndarray:
    """Silence, a constant, full-scale noise or a single click, of 1 to 5,000 samples."""
    samples = draw(st.integers(1, 5_000) | st.sampled_from([1, 2, 3, 159, 160, 161, 1_151, 1_153]))
    kind = draw(st.sampled_from(["silence", "constant", "noise", "click", "tiny"]))
    if kind == "silence":
        return np.zeros(samples)
    if kind == "constant":
        return np.full(samples, draw(st.sampled_from([-1.0, -0.25, 1.0, 1e-8])))
    if kind == "click":
        return np.eye(1, samples, samples // 2)[0]
    noise = np.random.default_rng(samples).uniform(-1, 1, samples)
    return noise * 1e-30 if kind == "tiny" else noise
