"""The F0 subband by blocks against a float64 `torch.stft`, and the choice of its window."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd_model.data.audio import read_audio
from fsd_model.features.front_end import FRAMES, LOG_FLOOR, FeatureConfig, Pad, extract, f0_subband, tile
from fsd_model.features.low_band_stft import FFT, HOP, Window
from fsd_model.training.config import TrainConfig

WINDOWS = get_args(Window)


def reference(waveform_S: np.ndarray, pad: Pad, window: Window) -> np.ndarray:
    """Magnitudes (45, T), T at most 600."""
    x_S = waveform_S[:80_000].astype(np.float64)
    y_S = np.r_[x_S[0], x_S[1:] - 0.97 * x_S[:-1]]
    padded_S = np.pad(y_S, FFT // 2, mode="constant" if pad == "zero" else "reflect")
    window_N = torch.blackman_window(FFT, periodic=window == "periodic", dtype=torch.float64)
    spectrum = torch.stft(
        torch.from_numpy(padded_S), FFT, HOP, window=window_N, center=False, return_complex=True
    )
    return spectrum[:45, :FRAMES].abs().numpy()


def logarithm(magnitude_FT: np.ndarray) -> np.ndarray:
    return tile(np.log(magnitude_FT + LOG_FLOOR).astype(np.float32), FRAMES)


@given(
    samples=st.integers(1, 480_000) | st.integers(1, 2_000) | st.integers(77_000, 81_000),
    pad=st.sampled_from(get_args(Pad)),
    window=st.sampled_from(WINDOWS),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_any_length_equals_the_whole_transform(samples: int, pad: Pad, window: Window, seed: int) -> None:
    rng = np.random.default_rng(seed)
    waveform_S = rng.normal(scale=0.1, size=samples).astype(np.float32)
    waveform_S[samples // 3 : samples // 2] *= 1e-4  # a quiet stretch behind a loud one
    waveform_S[samples // 2 : samples * 2 // 3] = 0
    magnitude_FT = reference(waveform_S, pad, window)
    got_FT = np.exp(f0_subband(waveform_S, pad, window).astype(np.float64))
    # a logarithm in float32 keeps 4e-6 of a magnitude; the second term is the rounding of either transform
    allowed_FT = 1e-5 * tile(magnitude_FT, FRAMES) + 1e-13
    assert (np.abs(got_FT - tile(magnitude_FT, FRAMES)) <= allowed_FT).all()


@pytest.mark.parametrize("window", WINDOWS)
def test_what_is_stored_of_real_speech_is_the_same_to_the_last_bit(window: Window, tiny_corpus: Path) -> None:
    for file in sorted(tiny_corpus.glob("LA/*_train/flac/*.flac"))[:40]:
        waveform_S = read_audio(file)
        expected_FT = logarithm(reference(waveform_S, "zero", window)).astype(np.float16)
        got_FT = f0_subband(waveform_S, "zero", window).astype(np.float16)
        assert (
            np.count_nonzero(got_FT != expected_FT) <= 1
        )  # of 27,000; none on the machine it was written on


@pytest.mark.parametrize("kind", ["f0_subband", "log_power_spectrum"])
def test_the_windows_differ_by_a_little(kind: str, tiny_corpus: Path) -> None:
    waveform_S = read_audio(min(tiny_corpus.glob("LA/*_train/flac/*.flac")))
    one_FT, other_FT = (extract(FeatureConfig(kind=kind, window=window), waveform_S) for window in WINDOWS)
    difference_FT = np.abs(one_FT - other_FT)
    assert 0 < np.median(difference_FT) < 0.01


def test_digital_silence_between_sounds_stays_on_the_floor() -> None:
    waveform_S = np.random.default_rng(0).normal(scale=0.3, size=30_000).astype(np.float32)
    waveform_S[10_000:20_000] = 0
    silent_FT = f0_subband(waveform_S)[:, 10_000 // HOP + 8 : 20_000 // HOP - 7]
    np.testing.assert_allclose(silent_FT, -80, atol=1e-5)


def test_the_usual_window_leaves_identities_as_they_were() -> None:
    assert FeatureConfig().identity() == {"kind": "f0_subband", "pad": "zero"}
    assert FeatureConfig().model_dump() == {"kind": "f0_subband", "pad": "zero", "samples": 64_600}
    assert FeatureConfig(window="periodic").identity()["window"] == "periodic"
    for kind in ("lfcc", "waveform"):
        assert "window" not in FeatureConfig(kind=kind, window="periodic").identity()


def test_another_window_is_another_run_and_survives_writing() -> None:
    plain = TrainConfig.model_validate({"data": {"root": "."}})
    other = plain.override({"feature.window": "periodic"})
    assert other.feature.window == "periodic"
    assert other.fingerprint() != plain.fingerprint()
    assert TrainConfig.model_validate_json(other.model_dump_json()) == other
