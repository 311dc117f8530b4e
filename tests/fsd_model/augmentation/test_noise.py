"""Noise: ratio, colour, and pieces of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from pydantic import ValidationError

from fsd_model.augmentation.config import NoiseConfig
from fsd_model.augmentation.noise import add_noise, coloured_noise, open_noise
from fsd_model.errors import InputError
from tests.fsd_model.support.signals import awkward_signals, ratio_db, speech_like


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A long ramp at 16 kHz, and a short stereo file at 8 kHz further down."""
    (tmp_path / "noise" / "deep").mkdir(parents=True)
    ramp = np.arange(-20_000, 20_000, dtype=np.int16)
    soundfile.write(tmp_path / "noise" / "ramp.wav", ramp, 16000)
    short = np.random.default_rng(0).uniform(-0.5, 0.5, (800, 2))
    soundfile.write(tmp_path / "noise" / "deep" / "short.FLAC", short, 8000, format="FLAC")
    (tmp_path / "noise" / "LICENSE.txt").write_text("not a recording")
    return tmp_path / "noise"


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 20.0])
@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_the_ratio_is_the_one_asked_for(snr_db: float, colour: float) -> None:
    wave = speech_like(16_001, level=0.01)
    config = NoiseConfig(snr_db=(snr_db, snr_db), colour=(colour, colour))
    noisy = add_noise(config, None, wave, generator(1))
    assert ratio_db(wave, noisy - wave) == pytest.approx(snr_db, abs=1e-6)


def test_where_the_peak_would_pass_1_all_is_scaled_and_the_ratio_stays() -> None:
    wave = speech_like(16_000, level=0.3)
    noisy = add_noise(NoiseConfig(snr_db=(0.0, 0.0)), None, wave, generator(2))
    assert np.abs(noisy).max() == 1
    scale = (noisy @ wave) / (wave @ wave)  # of the wave, but for what the noise has in common with it
    assert 0.2 < scale < 0.9
    assert ratio_db(scale * wave, noisy - scale * wave) == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("colour", [-1.0, 0.0, 1.0, 2.0])
def test_the_power_falls_by_3_db_an_octave_and_unit_of_colour(colour: float) -> None:
    power = np.abs(np.fft.rfft(coloured_noise(2**18, colour, generator(3)))) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].mean() for k in range(8, 17)]
    slope = np.polyfit(np.arange(9), np.log2(octaves), 1)[0]
    assert slope == pytest.approx(-colour, abs=0.05)


def test_pieces_come_from_all_over_the_files(folder: Path) -> None:
    files = open_noise(folder)
    assert [path.name for path in files.paths] == ["short.FLAC", "ramp.wav"]
    assert files.frames == (800, 40_000)
    pieces = [files.piece(4_000, generator(seed)) * 32768 for seed in range(60)]
    ramps = [piece for piece in pieces if np.array_equal(np.diff(piece), np.ones(3_999))]
    starts = [piece[0] for piece in ramps]
    assert 15 <= len(ramps) <= 45
    assert min(starts) < -15_000
    assert 11_000 < max(starts) <= 16_000


def test_a_short_file_is_resampled_averaged_and_repeated(folder: Path) -> None:
    files = open_noise(folder / "deep")
    piece = files.piece(5_000, generator())
    np.testing.assert_array_equal(piece[:1_600], piece[1_600:3_200])
    stereo, _ = soundfile.read(folder / "deep" / "short.FLAC")
    centre = piece[:1_600:2][50:-50]
    assert np.corrcoef(centre, stereo.mean(axis=1)[50:-50])[0, 1] > 0.9


def test_noise_of_files_has_the_ratio_asked_for(folder: Path) -> None:
    wave = speech_like(9_000, level=0.01)
    noisy = add_noise(NoiseConfig(snr_db=(5.0, 5.0)), open_noise(folder), wave, generator(4))
    assert ratio_db(wave, noisy - wave) == pytest.approx(5, abs=1e-6)


def test_the_digest_follows_the_content_not_the_place(folder: Path, tmp_path: Path) -> None:
    first = open_noise(folder).digest(tmp_path)
    moved = folder.rename(tmp_path / "elsewhere")
    assert open_noise(moved).digest(tmp_path) == first
    soundfile.write(moved / "ramp.wav", np.zeros(50), 16000)
    assert open_noise(moved).digest(tmp_path) != first


def test_a_folder_without_noise_is_named(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match=f"augment.noise.root: {root} must hold .* found none"):
            open_noise(root)


@pytest.mark.parametrize("content", [b"", b"RIFF no audio"])
def test_a_file_that_is_no_audio_is_named(folder: Path, content: bytes) -> None:
    (folder / "bad.wav").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.wav: noise must be audio.*take it out") as caught:
        open_noise(folder)
    assert "\n" not in str(caught.value)


def test_an_empty_recording_is_named(folder: Path) -> None:
    soundfile.write(folder / "empty.wav", np.zeros(0), 16000)
    with pytest.raises(InputError, match=r"empty\.wav: noise must hold samples, got 0"):
        open_noise(folder)


def test_a_file_that_vanished_is_named(folder: Path) -> None:
    files = open_noise(folder / "deep")
    files.paths[0].unlink()
    with pytest.raises(InputError, match=r"short\.FLAC: noise must be readable"):
        files.piece(100, generator())


def test_files_need_a_folder() -> None:
    with pytest.raises(ValidationError, match="source `files` needs a folder of noise"):
        NoiseConfig(probability=0.5, source="files")


@given(awkward_signals())
@settings(max_examples=100, deadline=None)
def test_any_recording_stays_finite_within_range_and_as_long(wave: np.ndarray) -> None:
    noisy = add_noise(NoiseConfig(), None, wave, generator(len(wave)))
    assert noisy.shape == wave.shape
    assert np.isfinite(noisy).all()
    assert np.abs(noisy).max() <= 1
