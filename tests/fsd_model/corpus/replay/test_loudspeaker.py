"""The replay loudspeaker against closed forms: its band, its distortion, its ranges."""

from __future__ import annotations

import numpy as np
import pytest

from fsd_model.corpus.replay.loudspeaker import Loudspeaker, Quality, draw_loudspeaker, play
from fsd_model.corpus.signals import Floats

RATE = 16_000
UNDISTORTED_DB = 300.0


def response_db(device: Loudspeaker | None) -> tuple[Floats, Floats]:
    """Frequencies and level of what becomes of a click, without distortion."""
    click = np.zeros(RATE)
    click[0] = 1
    if device is not None:
        device = Loudspeaker(device.lower_hz, device.upper_hz, UNDISTORTED_DB)
    level = 20 * np.log10(np.abs(np.fft.rfft(play(click, device))) + 1e-12)
    return np.fft.rfftfreq(RATE, 1 / RATE), level


def band_hz(device: Loudspeaker | None) -> float:
    """Width of the band within 3 dB of the loudest frequency."""
    frequency, level = response_db(device)
    heard = frequency[level > level.max() - 3]
    return float(heard[-1] - heard[0])


def test_a_perfect_device_changes_nothing() -> None:
    wave = np.random.default_rng(0).standard_normal(100)
    assert draw_loudspeaker("A", np.random.default_rng(0)) is None
    np.testing.assert_array_equal(play(wave, None), wave)


@pytest.mark.parametrize("seed", range(10))
def test_c_has_less_band_than_b_and_b_less_than_a(seed: int) -> None:
    a, b, c = (band_hz(draw_loudspeaker(quality, np.random.default_rng(seed))) for quality in ("A", "B", "C"))
    assert c < 6500 < 7300 < b < a == 8000


def test_the_edges_are_where_the_level_is_half_the_power() -> None:
    frequency, level = response_db(Loudspeaker(400.0, 5000.0, 20.0))
    assert level[frequency == 400] == pytest.approx(-3.01, abs=0.05)
    assert level[frequency == 5000] == pytest.approx(-3.01, abs=0.05)
    assert level[frequency == 100] == pytest.approx(-24, abs=0.5), "12 dB an octave"


@pytest.mark.parametrize("linearity_db", [20.0, 60.0, 110.0])
def test_distortion_has_the_power_asked_for(linearity_db: float) -> None:
    wave = np.random.default_rng(0).standard_normal(RATE)
    linear = play(wave, Loudspeaker(700.0, 4000.0, UNDISTORTED_DB))
    added = play(wave, Loudspeaker(700.0, 4000.0, linearity_db)) - linear
    assert 10 * np.log10(np.sum(linear**2) / np.sum(added**2)) == pytest.approx(linearity_db, abs=1e-3)
    assert abs(added @ linear) < 1e-6 * np.linalg.norm(added) * np.linalg.norm(linear)


def test_a_tone_gets_its_second_and_third_harmonic_and_no_other() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(4 * RATE) / RATE)
    heard = play(tone, Loudspeaker(600.0, None, 30.0))[RATE:]  # without the filter's start
    power = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
    hertz = np.fft.rfftfreq(len(heard), 1 / RATE)
    share = {f: power[np.abs(hertz - f) < 20].sum() / power.sum() for f in (1000, 2000, 3000)}
    assert share[1000] == pytest.approx(1 - 1e-3, abs=3e-4)
    assert share[2000] > 1e-4
    assert share[3000] > 1e-5
    assert sum(share.values()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("level", [1e-3, 1.0, 50.0])
def test_level_does_not_matter(level: float) -> None:
    wave = np.random.default_rng(0).standard_normal(500)
    device = Loudspeaker(700.0, 4000.0, 25.0)
    np.testing.assert_allclose(play(level * wave, device), play(wave, device), atol=1e-12)


@pytest.mark.parametrize(
    ("quality", "lower", "linearity"), [("B", (50, 600), (100, 120)), ("C", (600, 1200), (20, 60))]
)
def test_devices_keep_to_the_limits_of_their_quality(
    quality: Quality, lower: tuple[float, float], linearity: tuple[float, float]
) -> None:
    rng = np.random.default_rng(0)
    for device in (draw_loudspeaker(quality, rng) for _ in range(200)):
        assert device is not None
        assert lower[0] <= device.lower_hz <= lower[1]
        assert linearity[0] <= device.linearity_db <= linearity[1]
        assert (device.upper_hz is None) == (quality == "B")
