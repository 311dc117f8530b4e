"""Codecs: G.711 against its definition, bandwidth, delay, degree of compression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd_model.augmentation.codec import at_own_rate, random_codec, through_codec
from fsd_model.augmentation.config import CODECS, CodecConfig
from tests.fsd_model.support.signals import awkward_signals, band_db, ratio_db, speech_like

NARROW = ["narrow_band", "mu_law", "a_law", "gsm"]
WIDE = ["vorbis", "opus", "mp3"]


def mu_law_levels() -> np.ndarray:
    """The 255 output values of G.711 mu-law at 16 bits: 8 segments of 16 steps, steps doubling, bias 132."""
    positive = [((2 * m + 33) << (e + 2)) - 132 for e in range(8) for m in range(16)]
    return np.unique([*positive, *(-level for level in positive)])


def a_law_levels() -> np.ndarray:
    """The 256 output values of G.711 A-law at 16 bits: two segments of the same step, then steps doubling."""
    positive = [(2 * m + 1) << 3 for m in range(16)]
    positive += [(2 * m + 33) << (e + 2) for e in range(1, 8) for m in range(16)]
    return np.unique([*positive, *(-level for level in positive)])


@pytest.mark.parametrize(
    ("name", "levels", "count"), [("mu_law", mu_law_levels(), 255), ("a_law", a_law_levels(), 256)]
)
def test_g711_gives_its_levels_each_within_its_step(name: str, levels: np.ndarray, count: int) -> None:
    sent = np.linspace(-1, 1, 40_001)
    heard = at_own_rate(sent, name) * 32768
    np.testing.assert_array_equal(np.unique(heard), levels)
    assert len(levels) == count
    steps = np.diff(levels)
    place = np.searchsorted(levels, heard)
    widest = np.maximum(np.r_[steps[0], steps][place], np.r_[steps, steps[-1]][place])
    inside = np.abs(sent) < 0.97  # beyond, the last level stands for all
    # 16 bits in, and 14 or 13 in the codec: the steps' edges are off by up to 8 of 32768
    assert (np.abs(heard - sent * 32767) <= widest / 2 + 8)[inside].all()


@pytest.mark.parametrize("name", ["mu_law", "a_law"])
def test_g711_keeps_its_ratio_over_a_wide_range_of_levels(name: str) -> None:
    for level in (0.3, 0.1, 0.03):
        sent = speech_like(16_000, level=level)
        assert ratio_db(sent, at_own_rate(sent, name)[:16_000] - sent) > 33  # ITU-T G.712, 0 to -30 dBm0


@pytest.mark.parametrize("name", NARROW)
def test_telephony_leaves_nothing_above_4_khz(name: str) -> None:
    wave = speech_like(32_000)
    heard = through_codec(wave, name)
    assert band_db(wave, 4_400, 8_000) - band_db(wave, 300, 3_400) > -3
    assert band_db(heard, 4_400, 8_000) - band_db(heard, 300, 3_400) < -40


def test_half_the_band_is_kept_as_it_was() -> None:
    time = np.arange(16_000) / 16000
    wave = sum(0.1 * np.sin(2 * np.pi * hertz * time) for hertz in (150, 1000, 3000))
    heard = through_codec(wave, "narrow_band")
    assert ratio_db(wave[500:-500], (heard - wave)[500:-500]) > 40


@pytest.mark.parametrize("name", CODECS)
def test_codecs_keep_in_step_with_the_recording(name: str) -> None:
    wave = through_codec(speech_like(24_000), "narrow_band")
    heard = through_codec(wave, name)
    correlation = np.fft.irfft(np.fft.rfft(heard, 65_536) * np.conj(np.fft.rfft(wave, 65_536)))
    assert abs(int(np.argmax(correlation))) == 0


@pytest.mark.parametrize("name", WIDE)
def test_stronger_compression_leaves_less(name: str) -> None:
    wave = speech_like(32_000)
    ratios = [ratio_db(wave, through_codec(wave, name, level) - wave) for level in (0.1, 0.9, 0.99)]
    assert ratios[0] > ratios[1] + 1 > ratios[2]


def test_each_codec_is_drawn_as_often_as_the_others() -> None:
    wave = speech_like(400)
    names = ("narrow_band", "mu_law", "a_law")
    outcomes = {through_codec(wave, name).tobytes(): name for name in names}
    drawn = [
        outcomes[random_codec(CodecConfig(names=names), wave, np.random.default_rng(n)).tobytes()]
        for n in range(300)
    ]
    assert all(70 <= drawn.count(name) <= 130 for name in names)


@given(awkward_signals(), st.sampled_from(CODECS), st.floats(0, 0.99))
@settings(max_examples=150, deadline=None)
def test_any_recording_stays_finite_within_range_and_as_long(
    wave: np.ndarray, name: str, compression: float
) -> None:
    heard = through_codec(wave, name, compression)
    assert heard.shape == wave.shape
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1
