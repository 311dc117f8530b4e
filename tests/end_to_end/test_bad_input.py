"""What a user gets who types the wrong thing or has broken files: one line, exit code 2, nothing lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tuner.commands import app as cli

PROTOCOL = "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt"
FIVE_POSITIONS = "search.cuts={cuts: {positions: 5, count: [1, 3]}}"

pytestmark = pytest.mark.usefixtures("detector_commands")


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny corpus, which the smoke study is pointed at."""
    root = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, root)
    monkeypatch.setenv("FSD_DEMO_DATA", str(root))
    monkeypatch.setenv("FSD_DEMO_STORE", str(tmp_path / "store"))
    return root


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line of a refused command."""
    assert cli.run([str(each) for each in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("features ")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


def first_train_file(corpus: Path) -> Path:
    return min((corpus / "LA/ASVspoof2019_LA_train/flac").iterdir())


def delete(corpus: Path) -> str:
    file = first_train_file(corpus)
    file.unlink()
    return f"{file.name}; copy them or remove the lines"


def empty(corpus: Path) -> str:
    first_train_file(corpus).write_bytes(b"")
    return f"{first_train_file(corpus)}: audio file must hold samples, got 0 bytes"


def truncate(corpus: Path) -> str:
    file = first_train_file(corpus)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return f"{file}: audio must be"


def garble(corpus: Path) -> str:
    first_train_file(corpus).write_bytes(b"this is no audio" * 100)
    return f"{first_train_file(corpus)}: audio must be whole FLAC"


def edit_protocol(corpus: Path, edit) -> None:
    file = corpus / PROTOCOL
    file.write_text("".join(edit(file.read_text().splitlines(keepends=True))))


def wrong_columns(corpus: Path) -> str:
    edit_protocol(corpus, lambda lines: [*lines[:6], lines[6].replace(" - ", " ", 1), *lines[7:]])
    return f"{corpus / PROTOCOL}:7: line must have 5 columns"


def unknown_key(corpus: Path) -> str:
    edit_protocol(
        corpus, lambda lines: [lines[0].replace("bonafide", "genuine").replace("spoof", "fake"), *lines[1:]]
    )
    return f"{corpus / PROTOCOL}:1: key must be bonafide or spoof"


def one_class(corpus: Path) -> str:
    edit_protocol(corpus, lambda lines: [line for line in lines if "spoof" in line])
    return "protocol must hold both classes, got no bonafide line"


@pytest.mark.parametrize(
    "break_it", [delete, empty, truncate, garble, wrong_columns, unknown_key, one_class]
)  # fmt: skip
def test_broken_data_is_refused_before_anything_is_written(corpus, tmp_path, capsys, break_it):
    expected = break_it(corpus)
    line = refused(capsys, "search", "smoke", "--out", tmp_path / "out")
    assert expected in line
    assert not (tmp_path / "out").exists()
    assert expected in refused(capsys, "check", "smoke")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("settings.distil.temperature=3", "did you mean `distill`"),
        ("settings.network.depth=12", "depth"),
        ("settings.data.root=/nowhere", "/nowhere: data folder must hold ASVspoof2019_LA_cm_protocols"),
        (FIVE_POSITIONS, "is outside the network, which has 4 blocks; legal cuts are 1 to 3"),
        ("trails=3", "did you mean `trials`"),
    ],
)
def test_wrong_settings_are_named_by_check(corpus, capsys, setting, words):
    assert words in refused(capsys, "check", "smoke", "--set", setting)


def test_a_cut_outside_the_network_does_not_start_a_search(corpus, tmp_path, capsys):
    line = refused(capsys, "search", "smoke", "--out", tmp_path / "out", "--set", FIVE_POSITIONS)
    assert "legal cuts are 1 to 3" in line
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_detector(capsys, tmp_path):
    line = refused(capsys, "score", tmp_path, "x.wav")
    assert f"{tmp_path / 'detector.json'}: not a detector folder" in line
    assert "--split: must be dev or eval, got `train`" in refused(
        capsys, "evaluate", tmp_path, "--split", "train"
    )
