"""The simulated room against closed forms and against the simulator's own measure of reverberation."""

from __future__ import annotations

import numpy as np
import pyroomacoustics
import pytest
from pyroomacoustics.experimental import measure_rt60
from scipy.signal import butter, sosfilt

from fsd_model.corpus.replay.room import (
    IMAGES_S,
    SPEED_OF_SOUND,
    Room,
    impulse_response,
    late_power,
    through_room,
    wall_loss,
)
from fsd_model.corpus.replay.scene import draw_places
from fsd_model.corpus.signals import Floats

RATE = 16_000
SMALL, MIDDLE, LARGE = (1.6, 1.3, 2.4), (3.3, 2.4, 2.6), (5.0, 3.6, 2.9)


def reverberation_s(response: Floats, direct_m: float) -> float:
    """Schroeder's backward integration by the library, after the direct sound and above 200 Hz.

    Below, image sources add up in phase (all reflections have one sign); the finish cuts the worst of it.
    """
    high_pass = butter(4, 200, "highpass", fs=RATE, output="sos")
    late = sosfilt(high_pass, response)[int((direct_m / SPEED_OF_SOUND + 0.001) * RATE) :]
    return float(measure_rt60(late, fs=RATE, decay_db=25))


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE])
@pytest.mark.parametrize(
    ("t60", "tolerance"), [(0.07, 0.15), (0.12, 0.08), (0.2, 0.08), (0.4, 0.08), (0.95, 0.08)]
)
def test_the_reverberation_time_is_the_one_asked_for(
    size: tuple[float, float, float], t60: float, tolerance: float
) -> None:
    """In 70 ms sound meets some ten walls of a large room, so the decay is not yet an average."""
    rng = np.random.default_rng(0)
    room = Room(size, t60)
    measured = [
        reverberation_s(impulse_response(room, *draw_places(room, 0.4, rng), rng), 0.4) for _ in range(6)
    ]
    assert np.mean(measured) == pytest.approx(t60, rel=tolerance)
    assert measured == pytest.approx([t60] * 6, rel=0.12 + tolerance)


def test_the_walls_alone_give_the_reverberation_time() -> None:
    """In the library's own response of all image sources, none of it from here."""
    room = Room(MIDDLE, 0.2)
    walls = pyroomacoustics.Material(1 - np.exp(-wall_loss(room)))
    shoebox = pyroomacoustics.ShoeBox(room.size_m, fs=RATE, materials=walls, max_order=45)
    shoebox.add_source([1.0, 0.9, 1.1])
    shoebox.add_microphone([1.3, 1.2, 1.4])
    shoebox.compute_rir()
    assert reverberation_s(shoebox.rir[0][0][40 : int(0.2 * RATE)], 0.52) == pytest.approx(0.2, rel=0.08)


@pytest.mark.parametrize("samples", [7, 24, 68])
def test_the_direct_sound_comes_after_distance_over_speed(samples: int) -> None:
    distance = samples * SPEED_OF_SOUND / RATE
    room = Room(LARGE, 0.1)
    source = np.array([1.2, 1.8, 1.4])
    response = impulse_response(
        room, source, source + np.array([distance, 0.0, 0.0]), np.random.default_rng(0)
    )
    assert np.argmax(np.abs(response)) == samples
    assert response[samples] == pytest.approx(1 / distance, rel=0.02)


@pytest.mark.parametrize(("size", "t60"), [(SMALL, 0.3), (MIDDLE, 0.6), (LARGE, 1.0)])
def test_image_sources_end_at_the_level_where_the_noise_begins(
    size: tuple[float, float, float], t60: float
) -> None:
    rng = np.random.default_rng(0)
    room = Room(size, t60)
    end = int(IMAGES_S * RATE)
    before = np.arange(end - 400, end)
    energies = [
        np.sum(impulse_response(room, *draw_places(room, 0.4, rng), rng)[before] ** 2) for _ in range(12)
    ]
    expected = late_power(room, before / RATE).sum()
    assert 10 * np.log10(np.mean(energies) / expected) == pytest.approx(0, abs=1)


@pytest.mark.parametrize("t60", [0.05, 0.2, 1.0])
def test_a_response_ends_where_it_has_fallen_by_60_db(t60: float) -> None:
    rng = np.random.default_rng(0)
    room = Room(MIDDLE, t60)
    assert len(impulse_response(room, *draw_places(room, 0.4, rng), rng)) == pytest.approx(t60 * RATE, abs=1)


def test_a_room_of_any_time_has_walls() -> None:
    """Sabine's formula needs more than total absorption for a large room of 50 ms."""
    with pytest.raises(ValueError, match="room may be too large"):
        pyroomacoustics.inverse_sabine(0.05, LARGE)
    assert 0 < 1 - np.exp(-wall_loss(Room(LARGE, 0.05))) < 1


def test_sound_is_aligned_and_no_longer_than_before() -> None:
    rng = np.random.default_rng(0)
    room = Room(LARGE, 0.5)
    click = np.zeros(3000)
    click[100] = 1
    heard = through_room(click, room, *draw_places(room, 1.5, rng), rng)
    assert len(heard) == len(click)
    assert abs(int(np.argmax(np.abs(heard))) - 100) <= 1
    before = np.abs(
        heard[:60]
    ).max()  # not zero: the library's high-pass at 10 Hz runs forwards and backwards
    assert before < 0.03 * np.abs(heard).max()
