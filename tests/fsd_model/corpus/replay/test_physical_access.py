"""The replay corpus: layout, repeatability, and that only the replay itself tells the classes apart."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from fsd_model.cli import app
from fsd_model.corpus.folder import digest
from fsd_model.corpus.logical_access import make_corpus
from fsd_model.corpus.plan import SPLITS
from fsd_model.corpus.replay import physical_access as replay_corpus
from fsd_model.corpus.replay.physical_access import make_replay_corpus
from fsd_model.corpus.replay.scene import ATTACKS, ENVIRONMENTS
from fsd_model.corpus.track import PA
from fsd_model.corpus.voices import Split
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.data.utterance import Utterance
from fsd_model.errors import InputError
from fsd_model.evaluation.eval_split import read_eval
from tests.fsd_model.support.trivial_measures import MEASURES, Wave, equal_error_rate

LETTER = {"train": "T", "dev": "D", "eval": "E"}
PHYSICAL = {"crest", "kurtosis", "95 % roll-off", "99 % roll-off", "zero crossings"}
"""What the band of a loudspeaker and a second room change: here the replay itself is heard."""


def utterances(root: Path, split: Split) -> list[Utterance]:
    data = DataConfig(root=root, track="PA")
    return read_eval(data) if split == "eval" else read_split(data, split)


@pytest.mark.parametrize("split", SPLITS)
def test_the_projects_own_reader_takes_it(split: Split, tiny_replay: Path) -> None:
    here = utterances(tiny_replay, split)
    for one in here:
        assert re.fullmatch(r"PA_\d{4}", one.speaker)
        assert re.fullmatch(rf"PA_{LETTER[split]}_\d{{7}}", one.name)
        assert one.environment in ENVIRONMENTS
        assert one.attack in (ATTACKS if one.label == 0 else ("-",))
    assert {one.attack for one in here} == {*ATTACKS, "-"}
    listed = sorted(f"{one.name}.flac" for one in here)
    assert sorted(file.name for file in PA.audio(tiny_replay, split).iterdir()) == listed


@pytest.mark.parametrize("split", SPLITS)
def test_files_are_16_khz_16_bit_mono_flac(split: Split, tiny_replay: Path) -> None:
    for one in utterances(tiny_replay, split):
        info = soundfile.info(one.path)
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 16_000, 1)
        wave = soundfile.read(one.path)[0]
        assert 0.8 < len(wave) / 16_000 < 6
        assert -36 < 20 * np.log10(np.sqrt(np.mean(wave**2))) < -16
        assert np.abs(wave).max() < 0.97


def test_speakers_are_disjoint_and_have_both_classes(tiny_replay: Path) -> None:
    speakers = {split: {one.speaker for one in utterances(tiny_replay, split)} for split in SPLITS}
    assert sum(map(len, speakers.values())) == len(set().union(*speakers.values())) == 8
    for split in SPLITS:
        for label in (0, 1):
            assert {one.speaker for one in utterances(tiny_replay, split) if one.label == label} == speakers[
                split
            ]


def test_a_corpus_is_the_same_to_the_byte_whatever_the_number_of_processes(
    tiny_replay: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    summary = make_replay_corpus(tmp_path, "tiny", 1, lambda done, total: seen.append((done, total)))
    again = make_replay_corpus(tiny_replay, "tiny", progress=lambda *_: pytest.fail("made again"))
    assert summary == again
    assert summary.digest == digest(tmp_path / "PA", (".flac", ".txt"))
    assert summary.digest == digest(tiny_replay / "PA", (".flac", ".txt"))
    assert json.loads((tmp_path / "PA" / "corpus.json").read_text("utf-8"))["digest"] == summary.digest
    total = sum(sum(by_attack.values()) for by_attack in summary.files.values())
    assert seen == [(done, total) for done in range(1, total + 1)]
    (PA.audio(tmp_path, "dev") / f"{utterances(tmp_path, 'dev')[0].name}.flac").unlink()
    with pytest.raises(InputError, match=r"dev/flac: 31 files of 32; delete it"):
        make_replay_corpus(tmp_path, "tiny")


def test_an_interrupted_make_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_replay_corpus(tmp_path, "tiny", 1, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_another_corpus_is_refused_and_kept(tiny_replay: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"PA: holds another corpus \(tiny\); delete it or choose"):
        make_replay_corpus(tiny_replay, "demo")
    (tmp_path / "PA").mkdir()
    (tmp_path / "PA" / "mine.flac").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"holds something other than a replay demo corpus; delete it"):
        make_replay_corpus(tmp_path, "tiny")
    assert (tmp_path / "PA" / "mine.flac").read_bytes() == b"mine"


def test_both_tracks_may_share_a_folder(tiny_corpus: Path, tiny_replay: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    for file in ("LA", "corpus.json"):
        (both / file).symlink_to(tiny_corpus / file)
    (both / "PA").symlink_to(tiny_replay / "PA")
    assert make_corpus(both, "tiny").variant == make_replay_corpus(both, "tiny").variant == "tiny"


@pytest.mark.slow
def test_the_other_track_may_come_second(tiny_corpus: Path, tiny_replay: Path, tmp_path: Path) -> None:
    (tmp_path / "PA").symlink_to(tiny_replay / "PA")
    made = make_corpus(tmp_path, "tiny")
    assert made.digest == digest(tiny_corpus, (".flac", ".txt"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["LA", "PA", "corpus.json"]


def test_a_missing_extra_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(replay_corpus, "version", missing)
    with pytest.raises(InputError, match=r"pip install 'fsd-tuner\[replay\]'$") as raised:
        make_replay_corpus(tmp_path, "tiny")
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_makes_a_track(tiny_replay: Path) -> None:
    done = CliRunner().invoke(app, ["corpus", "make", str(tiny_replay), "--track", "PA", "--tiny"])
    assert done.exit_code == 0
    assert "train  28 bona fide, 27 spoofed by AA, AB" in done.stdout
    assert f"corpus: {tiny_replay / 'PA'}  (digest " in done.stdout
    refused = CliRunner().invoke(app, ["corpus", "make", str(tiny_replay), "--track", "DF"])
    assert str(refused.exception) == "--track: must be LA or PA, got `DF`"


@pytest.fixture(scope="module")
def measured(demo_replay: Path) -> dict[Split, tuple[list[Utterance], list[Wave]]]:
    splits: dict[Split, tuple[list[Utterance], list[Wave]]] = {}
    for split in SPLITS:
        here = utterances(demo_replay, split)
        splits[split] = here, [soundfile.read(one.path)[0] for one in here]
    return splits


@pytest.mark.long
@pytest.mark.parametrize("measure", MEASURES)
def test_no_trivial_measure_tells_a_replay(
    measure: str, measured: dict[Split, tuple[list[Utterance], list[Wave]]]
) -> None:
    """A perfect device (quality A) leaves no trace in any; the others only in the band and its like."""
    for split in ("dev", "eval"):
        here, waves = measured[split]
        values = np.array([MEASURES[measure](wave) for wave in waves])
        real = np.array([one.label == 1 for one in here])
        perfect = np.array([one.attack.endswith("A") for one in here])
        assert 0.4 <= equal_error_rate(values[real], values[perfect]) <= 0.6, split
        pooled = equal_error_rate(values[real], values[~real])
        assert measure in PHYSICAL or 0.4 <= pooled <= 0.6, f"{split}: EER {pooled:.1%}"
