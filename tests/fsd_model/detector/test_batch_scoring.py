"""Files, folders and streams of paths: order, batches, bad files, printed lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fsd_model.cli import app
from fsd_model.detector.batch_scoring import audio_files, score_files
from fsd_model.detector.detector import Detector, empty_network
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig
from fsd_model.networks.attention_resnet import NetworkConfig
from tests.fsd_model.support.cards import card

NETWORK = NetworkConfig(depth=9)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with five recordings at two depths, and one file that is not audio."""
    folder = tmp_path_factory.mktemp("audio")
    (folder / "b/c").mkdir(parents=True)
    for place, name in enumerate(["a.wav", "b/1.FLAC", "b/c/0.ogg", "b/2.flac", "z.wav"]):
        noise = np.random.default_rng(place).normal(scale=0.05, size=9_000 + 2_000 * place)
        soundfile.write(folder / name, noise, 16000)
    (folder / "notes.txt").write_text("no audio")
    return folder


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder = tmp_path_factory.mktemp("detector")
    Detector(card(network=NETWORK), empty_network(NETWORK, FeatureConfig())).save(folder)
    return Detector.load(folder)


def names(audio: Path, paths: Iterator[Path]) -> list[str]:
    return [str(path.relative_to(audio)) for path in paths]


def test_folders_are_taken_at_any_depth_and_streams_line_by_line(audio: Path) -> None:
    assert names(audio, audio_files([str(audio)], ())) == [
        "a.wav", "b/1.FLAC", "b/2.flac", "b/c/0.ogg", "z.wav",
    ]  # fmt: skip
    lines = [f"{audio}/z.wav\n", "\n", f"{audio}/b/c\r\n"]
    given = [str(audio / "a.wav"), "-", str(audio / "z.wav")]
    assert names(audio, audio_files(given, lines)) == ["a.wav", "z.wav", "b/c/0.ogg", "z.wav"]


def test_a_folder_without_audio_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: must contain FLAC, WAV or OGG files"):
        list(audio_files([str(tmp_path)], ()))


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_batches_change_no_score_and_no_order(audio: Path, detector: Detector, batch: int) -> None:
    paths = [*audio_files([str(audio)], ()), audio / "missing.wav", audio / "a.wav"]
    found = list(score_files(detector, iter(paths), jobs=2, batch=batch))
    assert [path for path, _ in found] == paths
    assert isinstance(found[5][1], InputError)
    good = [(path, score) for path, score in found if not isinstance(score, InputError)]
    assert [score for _, score in good] == pytest.approx(
        [detector.score_file(path) for path, _ in good], abs=1e-5
    )


def test_a_stream_without_end_is_answered_batch_by_batch(audio: Path, detector: Detector) -> None:
    def endless() -> Iterator[Path]:
        while True:
            yield audio / "a.wav"

    answers = score_files(detector, endless(), batch=2)
    assert [next(answers)[0] for _ in range(5)] == [audio / "a.wav"] * 5


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[list[str], str]:
    app(["score", *map(str, arguments)], standalone_mode=False)
    printed = capsys.readouterr()
    return printed.out.splitlines(), printed.err


def test_every_output_states_polarity_prior_and_decision(
    audio: Path, detector: Detector, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, told = run(capsys, detector.folder, audio, "--prior-spoof", 0.5, "--cost-false-alarm", 1)
    assert lines[0].startswith("# higher = more bona fide; spoofed speech is 50 % of all, ")
    assert lines[0].endswith("bona fide from LLR +0.0000 on")
    rows = [dict(zip(lines[1].split("\t"), line.split("\t"), strict=True)) for line in lines[2:]]
    assert len(rows) == 5
    for row in rows:
        llr = float(row["llr"])
        assert llr == pytest.approx(2 * float(row["score"]) - 1, abs=2e-4)
        assert float(row["spoof_probability"]) == pytest.approx(1 / (1 + np.exp(llr)), abs=1e-4)
        assert row["decision"] == ("bonafide" if llr >= 0 else "spoof")
    assert told.startswith("5 files in ")
    assert told.endswith(" per second\n")


def test_json_lines_say_the_same(
    audio: Path, detector: Detector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{audio / 'a.wav'}\n"))
    lines, _ = run(capsys, detector.folder, "-", "--format", "json")
    (row,) = map(json.loads, lines)
    verdict = detector.verdict(detector.score_file(audio / "a.wav"))
    assert row["polarity"] == "higher = more bona fide"
    assert row["llr"] == pytest.approx(verdict.llr, abs=1e-5)
    assert row["spoof_probability"] == pytest.approx(verdict.spoof_probability, abs=1e-5)
    assert (row["file"], row["decision"]) == (str(audio / "a.wav"), verdict.decision)


def test_bad_files_stop_unless_they_may_be_skipped(
    audio: Path, detector: Detector, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (detector.folder, audio / "a.wav", audio / "notes.txt", audio / "z.wav")
    with pytest.raises(InputError, match=r"notes\.txt: audio must be whole.*--skip-bad"):
        run(capsys, *given)
    capsys.readouterr()
    lines, told = run(capsys, *given, "--skip-bad")
    assert len(lines) == 4
    assert told.startswith(f"left out: {audio / 'notes.txt'}: ")
    assert "\n2 files in " in told
    with pytest.raises(InputError, match="no file could be scored"):
        run(capsys, detector.folder, audio / "notes.txt", "--skip-bad")
    with pytest.raises(InputError, match="cost_miss must be a positive"):
        run(capsys, detector.folder, audio, "--cost-miss", 0)
