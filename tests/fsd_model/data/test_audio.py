"""Reading audio: what is right comes out right, and nothing damaged passes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fsd_model.data.audio import SAMPLE_RATE, read_audio, seconds_to_samples
from fsd_model.errors import InputError


def tone(seconds: float = 1.0, rate: int = SAMPLE_RATE, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def noise(samples: int = 40_000) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.1, size=samples)


def assert_one_line(caught: pytest.ExceptionInfo[InputError], path: Path, *parts: str) -> None:
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *parts):
        assert part in message


@pytest.mark.parametrize(("suffix", "tolerance"), [("flac", 2**-15), ("wav", 2**-15), ("ogg", 0.05)])
def test_reads_each_format(tmp_path: Path, suffix: str, tolerance: float) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(), SAMPLE_RATE)
    waveform = read_audio(path)
    assert waveform.dtype == np.float32
    assert waveform.shape == (SAMPLE_RATE,)
    np.testing.assert_allclose(waveform, tone(), atol=tolerance)


def test_16_bit_samples_are_divided_by_32768(tmp_path: Path) -> None:
    values = np.array([-32768, -1, 0, 1, 32767], dtype=np.int16)
    soundfile.write(tmp_path / "a.flac", values, SAMPLE_RATE)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac") * 32768, values)


def test_stereo_becomes_the_mean(tmp_path: Path) -> None:
    left, right = tone(hertz=300), tone(hertz=900)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), SAMPLE_RATE)
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), (left + right) / 2, atol=2**-15)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_other_rates_are_resampled(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate=rate), rate, subtype="FLOAT")
    waveform = read_audio(tmp_path / "a.wav")
    assert len(waveform) == SAMPLE_RATE
    inner = slice(400, -400)  # the filter rings at both ends
    np.testing.assert_allclose(waveform[inner], tone()[inner], atol=2e-3)


def test_resampling_removes_what_would_alias(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate=48000, hertz=12_000), 48000)
    assert np.abs(read_audio(tmp_path / "a.wav")[400:-400]).max() < 1e-3


def test_stays_below_one(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([1.2, -1.2, 1.0, 0.25]), SAMPLE_RATE, subtype="FLOAT")
    waveform = read_audio(tmp_path / "a.wav")
    assert waveform.max() < 1
    assert waveform.min() == -1
    assert waveform[3] == 0.25


@pytest.mark.parametrize("suffix", ["flac", "wav", "ogg"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.97])
def test_a_cut_file_is_named(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise(), SAMPLE_RATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InputError) as caught:
        read_audio(path)
    assert_one_line(caught, path, "copy or download it again")


def test_a_flac_cut_between_two_frames_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(), SAMPLE_RATE)
    whole = path.read_bytes()
    boundaries = [match.start() for match in re.finditer(b"\xff\xf8", whole)][1:]
    assert len(boundaries) >= 5
    for boundary in boundaries:
        path.write_bytes(whole[:boundary])
        with pytest.raises(InputError, match="copy or download it again"):
            read_audio(path)


def test_a_decoder_that_stops_early_in_silence_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(), SAMPLE_RATE)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, **_: np.zeros((100, 1), dtype=np.float32))
    with pytest.raises(InputError, match=r"its header says \(40000 samples\), got 100"):
        read_audio(path)


def test_an_ogg_cut_between_two_pages_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise(200_000), SAMPLE_RATE)
    whole = path.read_bytes()
    for match in list(re.finditer(b"OggS", whole))[3:]:
        path.write_bytes(whole[: match.start()])
        with pytest.raises(InputError, match="cut-off end"):
            read_audio(path)


def test_a_damaged_flac_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(), SAMPLE_RATE)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0x55
    path.write_bytes(damaged)
    with pytest.raises(InputError) as caught:
        read_audio(path)
    assert_one_line(caught, path, "do not decode")


def test_a_wav_written_to_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), SAMPLE_RATE)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    np.testing.assert_allclose(read_audio(path), tone(), atol=2**-15)


def test_a_flac_without_a_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(), SAMPLE_RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # STREAMINFO: the 36 bits of the total number of samples
    data[22:26] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(InputError, match="must state its length"):
        read_audio(path)


@pytest.mark.parametrize(
    ("content", "rule"),
    [(b"", "must hold samples, got 0 bytes"), (b"no audio at all" * 50, "must be whole FLAC, WAV or OGG")],
)
def test_files_without_audio_are_named(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_audio(path)
    assert_one_line(caught, path, rule)


def test_a_header_without_samples_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), SAMPLE_RATE)
    with pytest.raises(InputError) as caught:
        read_audio(tmp_path / "a.wav")
    assert_one_line(caught, tmp_path / "a.wav", "0 samples")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must exist, found none"):
        read_audio(tmp_path / "a.flac")
    with pytest.raises(InputError, match="must be readable"):
        read_audio(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_must_be_finite(tmp_path: Path, bad: float) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.0, bad, 0.1]), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(InputError) as caught:
        read_audio(tmp_path / "a.wav")
    assert_one_line(caught, tmp_path / "a.wav", "must be finite")


def test_samples_on_another_scale_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 32767 * tone(), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"must lie in \[-1, 1\), got a peak of 16"):
        read_audio(tmp_path / "a.wav")


def test_a_rate_nobody_uses_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(), 15_991)
    with pytest.raises(InputError, match="got 15991 Hz"):
        read_audio(tmp_path / "a.wav")


def test_seconds_to_samples() -> None:
    assert seconds_to_samples(0) == 0
    assert seconds_to_samples(4.0375) == 64_600
    for bad in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="finite number of seconds"):
            seconds_to_samples(bad)
