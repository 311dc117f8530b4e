"""The F0 subband against a float64 `torch.stft`; the window that is no longer a setting."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fsd_model.data.audio import read_audio
from fsd_model.features.front_end import FRAMES, LOG_FLOOR, FeatureConfig, Pad, f0_subband, tile
from fsd_model.features.low_band_stft import FFT, HOP


def reference(waveform_S: np.ndarray, pad: Pad) -> np.ndarray:
    """Return magnitudes (45, T), T at most 600."""
    x_S = waveform_S[:80_000].astype(np.float64)
    y_S = np.r_[x_S[0], x_S[1:] - 0.97 * x_S[:-1]]
    padded_S = np.pad(y_S, FFT // 2, mode="constant" if pad == "zero" else "reflect")
    window_N = torch.blackman_window(FFT, periodic=False, dtype=torch.float64)
    spectrum = torch.stft(
        torch.from_numpy(padded_S), FFT, HOP, window=window_N, center=False, return_complex=True
    )
    return spectrum[:45, :FRAMES].abs().numpy()


def logarithm(magnitude_FT: np.ndarray) -> np.ndarray:
    return tile(np.log(magnitude_FT + LOG_FLOOR).astype(np.float32), FRAMES)


@given(
    samples=st.integers(1, 480_000) | st.integers(1, 2_000) | st.integers(77_000, 81_000),
    pad=st.sampled_from(get_args(Pad)),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_any_length_equals_the_whole_transform(samples: int, pad: Pad, seed: int) -> None:
    rng = np.random.default_rng(seed)
    waveform_S = rng.normal(scale=0.1, size=samples).astype(np.float32)
    waveform_S[samples // 3 : samples // 2] *= 1e-4  # a quiet stretch behind a loud one
    waveform_S[samples // 2 : samples * 2 // 3] = 0
    magnitude_FT = reference(waveform_S, pad)
    got_FT = np.exp(f0_subband(waveform_S, pad).astype(np.float64))
    # a logarithm in float32 keeps 4e-6 of a magnitude; the second term is the rounding of either transform
    allowed_FT = 1e-5 * tile(magnitude_FT, FRAMES) + 1e-13
    assert (np.abs(got_FT - tile(magnitude_FT, FRAMES)) <= allowed_FT).all()


def test_what_is_stored_of_real_speech_is_the_same_to_the_last_bit(tiny_corpus: Path) -> None:
    for file in sorted(tiny_corpus.glob("LA/*_train/flac/*.flac"))[:40]:
        waveform_S = read_audio(file)
        expected_FT = logarithm(reference(waveform_S, "zero")).astype(np.float16)
        got_FT = f0_subband(waveform_S, "zero").astype(np.float16)
        assert (
            np.count_nonzero(got_FT != expected_FT) <= 1
        )  # of 27,000; none on the machine it was written on


def test_digital_silence_between_sounds_stays_on_the_floor() -> None:
    waveform_S = np.random.default_rng(0).normal(scale=0.3, size=30_000).astype(np.float32)
    waveform_S[10_000:20_000] = 0
    silent_FT = f0_subband(waveform_S)[:, 10_000 // HOP + 8 : 20_000 // HOP - 7]
    np.testing.assert_allclose(silent_FT, -80, atol=1e-5)


def test_identities_are_those_of_earlier_stores_and_cards() -> None:
    assert FeatureConfig().identity() == {"kind": "f0_subband", "pad": "zero"}
    assert FeatureConfig().model_dump() == {"kind": "f0_subband", "pad": "zero", "samples": 64_600}
    assert FeatureConfig(kind="lfcc").identity() == {"kind": "lfcc", "pad": "zero"}
    assert FeatureConfig(kind="waveform").identity() == {"kind": "waveform", "samples": 64_600}


def test_the_removed_setting_is_refused_by_name_and_its_default_read() -> None:
    assert FeatureConfig.model_validate({"window": "symmetric"}) == FeatureConfig()
    with pytest.raises(ValidationError, match=r"feature\.window: is no longer a setting, got 'periodic'"):
        FeatureConfig.model_validate({"window": "periodic"})
