"""`data check` finds each planted fault, says it in table and JSON alike, and ends with its code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fsd_model.data.training_splits import DataConfig
from fsd_model.data_check.check import check_data, splits_to_check
from fsd_model.data_check.file_measures import level, measure, silence
from fsd_model.data_check.shortcuts import area_under_curve, chance_deviation, shortcut
from tests.fsd_model.support.format_corpora import MANIFEST, make_2021, make_wild, write_csv, write_noise
from tuner.commands import app as cli

pytestmark = pytest.mark.usefixtures("detector_commands")

COUNT = 8


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A manifest of 8 + 8 + 2 files without a fault; speakers differ between splits."""
    root = tmp_path / "corpus"
    rows = []
    for seed in range(2 * COUNT + 2):
        split = "train" if seed < COUNT else "dev" if seed < 2 * COUNT else "eval"
        attack, key = ("-", "bonafide") if seed % 2 else ("A01", "spoof")
        rows.append((f"{seed}.flac", f"{split}-s{seed % 3}", attack, key, split, "-"))
        write_noise(root / f"{seed}.flac", seed)
    write_csv(root / "manifest.csv", [MANIFEST, *rows])
    return root


def run(*arguments: object) -> int:
    return cli.run([str(each) for each in ("data", "check", *arguments)])


def edit(corpus: Path, change: Callable[[str], str]) -> None:
    file = corpus / "manifest.csv"
    file.write_text(change(file.read_text()))


def missing(corpus: Path) -> tuple[str, str, str]:
    (corpus / "3.flac").unlink()
    return "error", "train", "1 audio files are missing"


def cut(corpus: Path) -> tuple[str, str, str]:
    file = corpus / "10.flac"
    file.write_bytes(file.read_bytes()[:1500])
    return "error", "dev", "1 audio files do not decode"


def not_audio(corpus: Path) -> tuple[str, str, str]:
    (corpus / "2.flac").write_bytes(b"fLaC but no more of it")
    return "error", "train", "1 audio files do not decode"


def same_bytes_with_two_labels(corpus: Path) -> tuple[str, str, str]:
    shutil.copy(corpus / "0.flac", corpus / "9.flac")
    return "error", "train+dev", "1 recordings occur more than once (same bytes) and are called bona fide and"


def same_bytes_with_one_label(corpus: Path) -> tuple[str, str, str]:
    shutil.copy(corpus / "0.flac", corpus / "8.flac")
    return "warning", "train+dev", "1 recordings occur more than once (same bytes)"


def same_samples_in_another_file(corpus: Path) -> tuple[str, str, str]:
    samples, rate = soundfile.read(corpus / "1.flac", dtype="int16")
    soundfile.write(corpus / "3.flac", samples, rate, compression_level=0.0)
    with soundfile.SoundFile(corpus / "3.flac", "w", rate, 1, "PCM_24") as file:
        file.write(samples / 32768)
    return "warning", "train", "1 recordings occur more than once (same samples in other bytes)"


def shared_speaker(corpus: Path) -> tuple[str, str, str]:
    edit(corpus, lambda text: text.replace("dev-s1", "train-s1"))
    return "warning", "train+dev", "1 speakers are in both splits"


def wrong_rate(corpus: Path) -> tuple[str, str, str]:
    write_noise(corpus / "4.flac", 99, rate=8000)
    return "warning", "train", "not all at 16000 Hz, will be resampled: 7 at 16000 Hz, 1 at 8000 Hz"


FAULTS = [
    missing,
    cut,
    not_audio,
    same_bytes_with_two_labels,
    same_bytes_with_one_label,
    same_samples_in_another_file,
    shared_speaker,
    wrong_rate,
]


@pytest.mark.parametrize("plant", FAULTS)
def test_each_fault_is_found_and_nothing_else(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], plant: Callable
) -> None:
    severity, where, text = plant(corpus)
    assert run(corpus, "--json", tmp_path / "report.json") == (severity == "error")
    report = json.loads((tmp_path / "report.json").read_text())
    (finding,) = report["findings"]
    assert (finding["level"], finding["where"]) == (severity, where)
    assert finding["text"].startswith(text)
    printed = capsys.readouterr().out
    assert f"{severity}: {where}: {text[:50]}" in printed
    for name in finding["names"]:
        assert name.split(":")[0] in printed


def test_a_sound_corpus_ends_with_zero(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(corpus) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out


def test_bad_files_are_named_with_their_reason(corpus: Path) -> None:
    cut(corpus)
    data = DataConfig(root=corpus)
    (bad,) = check_data(data, splits_to_check(data, with_eval=False)).splits["dev"].undecodable
    assert bad.name == "10"
    assert bad.reason.startswith("audio must be")


def test_skip_bad_makes_warnings_of_bad_files(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing(corpus)
    cut(corpus)
    assert run(corpus, "--skip-bad") == 0
    assert "0 errors, 2 warnings" in capsys.readouterr().out


def test_the_table_and_the_json_count_the_same(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing(corpus)
    assert run(corpus, "--eval", "--json", "-") == 1
    report = json.loads(capsys.readouterr().out)
    run(corpus, "--eval")
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("│")
    ]
    table = {row[0]: row[1:] for row in rows if len(row) == 4}
    splits = report["splits"].values()
    assert list(report["splits"]) == ["train", "dev", "eval"]
    assert table["utterances"] == [str(s["utterances"]) for s in splits] == ["8", "8", "2"]
    assert table["missing files"] == [str(len(s["missing"])) for s in splits] == ["1", "0", "0"]
    assert table["spoof"] == [str(s["classes"]["spoof"]) for s in splits] == ["4", "4", "1"]
    assert table["A01"] == [str(s["attacks"]["A01"]) for s in splits]
    assert table["speakers"] == [str(s["speakers"]) for s in splits] == ["3", "3", "2"]
    assert table["median, s"] == [f"{s['seconds']['median']:.2f}" for s in splits] == ["0.30"] * 3


def test_eval_is_left_alone_unless_asked_for(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / "17.flac").unlink()
    assert run(corpus) == 0
    assert "the evaluation split was left unopened" in capsys.readouterr().out
    assert run(corpus, "--eval") == 1
    assert "left unopened" not in capsys.readouterr().out
    assert run(corpus, "--split", "train") == 0


@pytest.mark.parametrize("make", [make_2021, make_wild])
def test_an_evaluation_set_is_checked_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], DataConfig]
) -> None:
    make(tmp_path)
    assert run(tmp_path, "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert (list(report["splits"]), report["eval_left_unopened"]) == (["eval"], False)


@pytest.mark.parametrize("arguments", [(), ("--format", "manifest"), ("--track", "XX"), ("--split", "test")])
def test_what_is_no_corpus_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(tmp_path, *arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_silence_at_the_end_of_one_class_is_noticed(tmp_path: Path) -> None:
    """The known fault of ASVspoof 2019 PA: spoofs end with longer silence."""
    rows = []
    for seed in range(40):
        attack, key = ("-", "bonafide") if seed % 2 else ("A01", "spoof")
        rows.append((f"{seed}.flac", "s", attack, key, "train", "-"))
        write_noise(tmp_path / f"{seed}.flac", seed, 0.4 if seed % 2 else 0.3, tail=0.0 if seed % 2 else 0.1)
    write_csv(tmp_path / "manifest.csv", [MANIFEST, *rows])
    report = check_data(DataConfig(root=tmp_path), ["train"])
    found = report.splits["train"].shortcuts
    assert [name for name, each in found.items() if each.suspicious] == ["trailing_ms", "level_db"]
    assert found["trailing_ms"].auc == 1
    assert found["trailing_ms"].spoof == pytest.approx(100, abs=1)
    assert found["trailing_ms"].bonafide == pytest.approx(0, abs=1)
    assert not report.failed
    assert "silence at the end, ms alone tells the classes apart" in report.findings[0].text


@pytest.mark.parametrize(("lead", "body", "tail"), [(0, 10, 0), (3, 10, 7), (1600, 50, 160)])
def test_silence_is_counted_to_the_sample(lead: int, body: int, tail: int) -> None:
    quiet, loud = 0.0049, 0.5  # 40.2 dB apart
    waveform = np.concatenate([np.full(lead, quiet), np.full(body, -loud), np.full(tail, quiet)])
    assert silence(waveform.astype(np.float32)) == (lead, tail)


def test_silence_knows_no_level() -> None:
    waveform = np.array([0, 0.001, 0.5, 0.2, 0.001], dtype=np.float32)
    assert silence(waveform) == silence(waveform / 64) == (2, 1)
    assert silence(np.zeros(5, dtype=np.float32)) == (5, 5)


def test_the_level_of_a_full_sine_is_minus_three_db(tmp_path: Path) -> None:
    sine = np.sin(2 * np.pi * 100 * np.arange(16000) / 16000) * 0.999
    soundfile.write(tmp_path / "a.wav", sine, 16000)
    assert measure(tmp_path / "a.wav").level_db == pytest.approx(10 * np.log10(0.999**2 / 2), abs=1e-3)
    assert level(np.zeros(9, dtype=np.float32)) == -120


VALUES = st.lists(st.integers(0, 9), min_size=1, max_size=30)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_the_area_is_that_of_scikit_learn(bonafide: list[int], spoof: list[int]) -> None:
    labels = [0] * len(bonafide) + [1] * len(spoof)
    assert area_under_curve(bonafide, spoof) == pytest.approx(roc_auc_score(labels, bonafide + spoof))


def test_chance_seldom_looks_like_a_shortcut() -> None:
    rng = np.random.default_rng(1)
    flags = [shortcut(rng.normal(size=5), rng.normal(size=7)).suspicious for _ in range(300)]
    assert sum(flags) <= 3
    areas = [area_under_curve(rng.normal(size=20), rng.normal(size=30)) for _ in range(2000)]
    assert np.std(areas) == pytest.approx(chance_deviation(20, 30), rel=0.05)
