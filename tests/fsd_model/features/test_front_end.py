"""Front ends against an implementation of their definition: NumPy, float64, explicit frames and loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.signal.windows import blackman

from fsd_model.errors import InputError
from fsd_model.features.front_end import (
    FeatureConfig,
    extract,
    f0_subband,
    feature_shape,
    lfcc,
    log_power_spectrum,
    tile,
)

KINDS = ["f0_subband", "log_power_spectrum", "lfcc"]
# one frame; mirrored and doubled 2-3 times; a whole number of hops; 599, 600, 601 frames; the cut at 80,000
LENGTHS = [1, 700, 5_000, 13_000, 46_392, 77_869, 77_870, 78_000, 80_000, 95_000]


def speech_like(samples: int, seed: int = 0) -> np.ndarray:
    """A gliding harmonic sound in noise, with a quiet second half."""
    time = np.arange(samples) / 16000
    phase = 2 * np.pi * (110 * time + 30 * np.sin(2 * np.pi * 0.7 * time))
    voiced = sum(np.sin(k * phase) / k for k in range(1, 12))
    noise = np.random.default_rng(seed).normal(size=samples)
    envelope = np.where(np.arange(samples) < samples / 2, 0.1, 0.002)
    return (envelope * (voiced + 0.1 * noise)).astype(np.float32)


def mirror_pad(signal: np.ndarray, width: int) -> np.ndarray:
    """Reflection without the edge sample, going back and forth as often as needed."""
    period = max(2 * (len(signal) - 1), 1)
    index = np.abs((np.arange(-width, len(signal) + width)) % period)
    return signal[np.where(index < len(signal), index, period - index)]


def framed(signal: np.ndarray, size: int, hop: int, pad: str) -> np.ndarray:
    half = size // 2
    padded = mirror_pad(signal, half) if pad == "reflect" else np.r_[np.zeros(half), signal, np.zeros(half)]
    return np.array([padded[i : i + size] for i in range(0, len(padded) - size + 1, hop)])


def tiled(frames: np.ndarray, length: int) -> np.ndarray:
    if frames.shape[1] < length:
        frames = np.hstack([frames, np.fliplr(frames)])
    while frames.shape[1] < length:
        frames = np.hstack([frames, frames])
    return frames[:, :length]


def reference_spectrogram(waveform: np.ndarray, bins: int, pad: str) -> np.ndarray:
    x = waveform[:80_000].astype(np.float64)
    y = np.array([x[0], *(x[n] - 0.97 * x[n - 1] for n in range(1, len(x)))])
    spectrum = np.fft.rfft(framed(y, 1728, 130, pad) * blackman(1728))
    return tiled(np.log(np.abs(spectrum.T[:bins]) + np.exp(-80)), 600)


def reference_lfcc(waveform: np.ndarray, pad: str) -> np.ndarray:
    window = np.zeros(512)
    window[96:416] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320)
    power = np.abs(np.fft.rfft(framed(waveform[:80_000].astype(np.float64), 512, 160, pad) * window)) ** 2
    hertz, edges = np.arange(257) * 16000 / 512, np.arange(22) * 8000 / 21
    filters = np.array([np.interp(hertz, edges[i : i + 3], [0, 1, 0]) for i in range(20)])
    log_energy = np.log(filters @ power.T + 1e-6)
    static = np.zeros_like(log_energy)
    for k in range(20):
        scale = math.sqrt((1 if k == 0 else 2) / 20)
        static[k] = scale * sum(log_energy[n] * math.cos(math.pi * k * (n + 0.5) / 20) for n in range(20))
    delta = regression(static)
    return tiled(np.vstack([static, delta, regression(delta)]), 400)


def regression(rows: np.ndarray) -> np.ndarray:
    """Slope of the least-squares line through five frames, the ends repeated."""
    padded = np.pad(rows, ((0, 0), (2, 2)), mode="edge")
    length = rows.shape[1]
    return sum(n * padded[:, 2 + n : 2 + n + length] for n in (-2, -1, 1, 2)) / 10


@pytest.mark.parametrize("pad", ["zero", "reflect"])
@pytest.mark.parametrize("samples", LENGTHS)
def test_f0_subband_equals_its_definition(samples: int, pad: str) -> None:
    waveform = speech_like(samples)
    np.testing.assert_allclose(f0_subband(waveform, pad), reference_spectrogram(waveform, 45, pad), atol=1e-4)


@pytest.mark.parametrize("pad", ["zero", "reflect"])
@pytest.mark.parametrize("samples", [1, 5_000, 46_392, 95_000])
def test_log_power_spectrum_equals_its_definition(samples: int, pad: str) -> None:
    waveform = speech_like(samples)
    expected = reference_spectrogram(waveform, 432, pad)
    np.testing.assert_allclose(log_power_spectrum(waveform, pad), expected, atol=1e-4)


@pytest.mark.parametrize("pad", ["zero", "reflect"])
@pytest.mark.parametrize("samples", [1, 300, 5_000, 46_392, 63_999, 95_000])
def test_lfcc_equals_its_definition(samples: int, pad: str) -> None:
    waveform = speech_like(samples)
    np.testing.assert_allclose(lfcc(waveform, pad), reference_lfcc(waveform, pad), atol=1e-4)


def test_a_tone_on_a_bin_peaks_there_at_its_closed_form() -> None:
    hertz = 10 * 16000 / 1728  # 92.59 Hz
    waveform = (0.5 * np.sin(2 * np.pi * hertz * np.arange(80_000) / 16000)).astype(np.float32)
    features = f0_subband(waveform)[:, 20:-20]
    assert (features.argmax(axis=0) == 10).all()
    emphasis = abs(1 - 0.97 * np.exp(-2j * np.pi * 10 / 1728))
    level = 0.5 * emphasis * blackman(1728).sum() / 2
    np.testing.assert_allclose(features[10], np.log(level), atol=1e-3)


def test_silence_lies_on_the_floor() -> None:
    np.testing.assert_allclose(f0_subband(np.zeros(5_000, dtype=np.float32)), -80, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_after_80_000_change_nothing(kind: str) -> None:
    long = speech_like(100_000)
    changed = long.copy()
    changed[80_000:] = 0.3
    config = FeatureConfig(kind=kind)
    np.testing.assert_array_equal(extract(config, long), extract(config, changed))


@given(samples=st.integers(1, 90_000), factor=st.floats(0.25, 4))
@settings(max_examples=20, deadline=None)
def test_gain_shifts_the_log_spectrum(samples: int, factor: float) -> None:
    waveform = speech_like(samples)
    louder = (waveform.astype(np.float64) * factor).astype(np.float32)
    difference = f0_subband(louder) - f0_subband(waveform)
    assert np.median(difference) == pytest.approx(math.log(factor), abs=1e-3)


@given(frames=st.integers(1, 700), length=st.integers(1, 700))
@settings(max_examples=200, deadline=None)
def test_tiling_goes_back_and_forth(frames: int, length: int) -> None:
    row = np.arange(frames, dtype=np.float32)[None]
    result = tile(row, length)
    if frames >= length:
        expected = row[:, :length]
    else:
        period = np.concatenate([row[0], row[0, ::-1]])
        expected = period[np.arange(length) % (2 * frames)][None]
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("samples", [1, 2, 900, 64_000, 120_000])
@pytest.mark.parametrize("pad", ["zero", "reflect"])
def test_shape_and_type_hold_for_any_length(kind: str, samples: int, pad: str) -> None:
    config = FeatureConfig(kind=kind, pad=pad)
    features = extract(config, speech_like(samples))
    assert features.shape == feature_shape(config)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_kinds_are_what_their_names_say() -> None:
    waveform = speech_like(30_000)
    expected = [f0_subband(waveform), log_power_spectrum(waveform), lfcc(waveform)]
    for kind, features in zip(KINDS, expected, strict=True):
        np.testing.assert_array_equal(extract(FeatureConfig(kind=kind), waveform), features)
    reflected = extract(FeatureConfig(kind="lfcc", pad="reflect"), waveform)
    np.testing.assert_array_equal(reflected, lfcc(waveform, "reflect"))


def test_the_waveform_is_left_as_it_was() -> None:
    waveform = speech_like(5_000)
    before = waveform.copy()
    for kind in KINDS:
        extract(FeatureConfig(kind=kind), waveform)
    np.testing.assert_array_equal(waveform, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("position", [3, 85_000])
def test_a_waveform_must_be_finite(bad: float, position: int) -> None:
    waveform = speech_like(90_000)
    waveform[position] = bad
    with pytest.raises(InputError, match=f"at sample {position}"):
        f0_subband(waveform)


@pytest.mark.parametrize("waveform", [np.zeros(0), np.zeros((2, 5_000)), np.zeros(5_000, dtype=np.int16)])
def test_a_waveform_must_be_a_row_of_floats(waveform: np.ndarray) -> None:
    with pytest.raises(InputError, match="one-dimensional, floating point and not empty"):
        lfcc(waveform)


def test_a_mistyped_kind_is_an_error() -> None:
    with pytest.raises(ValidationError):
        FeatureConfig(kind="f0")
    with pytest.raises(ValidationError, match="did you mean `pad`"):
        FeatureConfig(kind="lfcc", padd="zero")
