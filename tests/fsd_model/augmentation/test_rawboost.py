"""RawBoost against what its description says of filters, powers, impulses and ratios."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.signal import freqz

from fsd_model.augmentation.config import RawBoostConfig
from fsd_model.augmentation.rawboost import convolutive, impulsive, notch_filter, rawboost, stationary
from tests.fsd_model.support.signals import awkward_signals, ratio_db, speech_like

ALGORITHMS = [1, 2, 3, 4, 5, 6, 7, 8]


def config(**changes: object) -> RawBoostConfig:
    return RawBoostConfig(**changes)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def aside(**changes: object) -> RawBoostConfig:
    """One notch at the upper edge of the band, so what lies below is left alone."""
    return config(bands=1, centre_hz=(7900.0, 7900.0), width_hz=(100.0, 100.0), taps=(99, 99), **changes)


@pytest.mark.parametrize("seed", range(20))
def test_the_response_dips_in_every_drawn_band(seed: int) -> None:
    settings_ = config(bands=3, width_hz=(600.0, 1000.0), taps=(301, 301))
    taps = notch_filter(settings_, 0.0, generator(seed))
    rng = generator(seed)
    for _ in range(3):
        centre, _, _ = rng.uniform(20, 8000), rng.uniform(600, 1000), rng.integers(301, 301, endpoint=True)
        _, response = freqz(taps, worN=[centre], fs=16000)
        assert 20 * np.log10(np.abs(response[0])) < -40


def test_the_response_is_flat_outside_the_band() -> None:
    settings_ = config(bands=1, centre_hz=(3000.0, 3000.0), width_hz=(800.0, 800.0), taps=(401, 401))
    hertz, response = freqz(notch_filter(settings_, 0.0, generator()), worN=2048, fs=16000)
    level = 20 * np.log10(np.abs(response))
    assert level[np.abs(hertz - 3000) < 300].max() < -40
    outside = level[np.abs(hertz - 3000) > 500]
    assert outside.min() > -0.1
    assert outside.max() < 0.1


@pytest.mark.parametrize("gain_db", [-20.0, 0.0, 6.0])
def test_the_gain_is_the_peak_of_the_response(gain_db: float) -> None:
    _, response = freqz(notch_filter(config(), gain_db, generator(3)), worN=512)
    assert 20 * np.log10(np.abs(response).max()) == pytest.approx(gain_db, abs=1e-9)


def test_filters_are_symmetric_of_odd_length_and_within_the_taps() -> None:
    for seed in range(20):
        taps = notch_filter(config(bands=5, taps=(10, 100)), 0.0, generator(seed))
        assert len(taps) % 2 == 1
        assert 5 * 11 - 4 <= len(taps) <= 5 * 101 - 4
        np.testing.assert_allclose(taps, taps[::-1], atol=1e-15)


def test_the_linear_part_keeps_in_step_with_the_recording() -> None:
    click = np.zeros(2001)
    click[1000] = 0.5
    heard = convolutive(config(order=1), click, generator(1))
    np.testing.assert_allclose(heard, heard[::-1], atol=1e-12)


def test_of_first_order_it_is_linear_and_of_higher_order_not() -> None:
    wave = speech_like(4_000)
    for order, linear in ((1, True), (3, False)):
        whole, half = (convolutive(config(order=order), wave * s, generator(2)) for s in (1.0, 0.5))
        assert np.allclose(whole * 0.5, half, atol=1e-9) is linear


@pytest.mark.parametrize("bias_db", [5.0, 20.0])
def test_the_square_of_a_tone_appears_an_octave_above_at_the_gain_of_the_bias(bias_db: float) -> None:
    # A cos: A^2 cos^2 = A^2/2 + A^2/2 cos(2 ...)
    tone = 0.8 * np.cos(2 * np.pi * 1000 * np.arange(16_000) / 16000)
    heard = convolutive(aside(order=2, bias_db=(bias_db, bias_db)), tone, generator())
    spectrum = np.abs(np.fft.rfft(heard[4_000:12_000])) / 4_000
    assert spectrum[500] == pytest.approx(0.8, rel=0.01)
    assert spectrum[1000] == pytest.approx(0.32 * 10 ** (-bias_db / 20), rel=0.01)
    assert abs(heard.mean()) < 1e-12


def test_impulses_change_half_the_share_on_average_and_never_more_than_it() -> None:
    wave = speech_like(10_000)
    rng = generator(4)
    shares = [np.mean(impulsive(config(), wave, rng) != wave) for _ in range(1_000)]
    assert max(shares) <= 0.1
    assert np.mean(shares) == pytest.approx(0.05, abs=0.003)
    assert np.std(shares) == pytest.approx(0.1 / np.sqrt(12), rel=0.1)  # even from 0 to 0.1


def test_impulses_are_in_proportion_to_their_samples() -> None:
    wave = speech_like(200_000)
    heard = impulsive(config(impulse_share=1.0, impulse_gain=2.0), wave, generator(5))
    factor = (heard / wave - 1)[heard != wave]
    assert np.abs(factor).max() <= 2.0
    assert factor.mean() == pytest.approx(0, abs=0.01)
    assert factor.std() == pytest.approx(2 / 3, rel=0.02)  # a product of two even draws has variance 1/9


@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 40.0])
def test_stationary_noise_has_the_ratio_asked_for(snr_db: float) -> None:
    wave = speech_like(20_000, level=0.02)
    heard = stationary(config(snr_db=(snr_db, snr_db)), wave, generator(6))
    assert ratio_db(wave, heard - wave) == pytest.approx(snr_db, abs=1e-6)


def test_the_ratios_of_stationary_noise_fill_their_range() -> None:
    wave = speech_like(2_000)
    found = [ratio_db(wave, stationary(config(), wave, generator(n)) - wave) for n in range(200)]
    assert 10 <= min(found) < 12
    assert 38 < max(found) <= 40


@pytest.mark.parametrize(
    ("algorithm", "parts"),
    [
        (1, [convolutive]),
        (2, [impulsive]),
        (3, [stationary]),
        (4, [convolutive, impulsive, stationary]),
        (5, [convolutive, impulsive]),
        (6, [convolutive, stationary]),
        (7, [impulsive, stationary]),
    ],
)
def test_a_series_is_its_parts_one_after_the_other(algorithm: int, parts: list) -> None:
    wave, rng = speech_like(3_000), generator(7)
    expected = wave
    for part in parts:
        expected = part(config(), expected, rng)
    np.testing.assert_array_equal(rawboost(config(algorithm=algorithm), wave, generator(7)), expected)


def test_side_by_side_is_the_sum_of_its_parts() -> None:
    wave, rng = speech_like(3_000, level=0.05), generator(8)
    total = convolutive(config(), wave, rng) + impulsive(config(), wave, rng)
    assert np.abs(total).max() < 1
    np.testing.assert_allclose(rawboost(config(algorithm=8), wave, generator(8)), total, rtol=1e-12)


@given(awkward_signals(), st.sampled_from(ALGORITHMS), st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_any_recording_stays_finite_within_range_and_as_long(
    wave: np.ndarray, algorithm: int, seed: int
) -> None:
    before = wave.copy()
    heard = rawboost(config(algorithm=algorithm), wave, generator(seed))
    assert heard.shape == wave.shape
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1
    np.testing.assert_array_equal(wave, before)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_silence_stays_silence(algorithm: int) -> None:
    assert not rawboost(config(algorithm=algorithm), np.zeros(500), generator()).any()


def test_a_range_upside_down_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValidationError, match=r"low <= high, got \[40\.0, 10\.0\]; swap the two"):
        config(snr_db=(40.0, 10.0))
