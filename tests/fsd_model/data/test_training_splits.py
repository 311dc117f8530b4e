"""Protocols of ASVspoof 2019: each split, both tracks, and each way in which they can be wrong."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fsd_model.data.protocol
import fsd_model.data.training_splits
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.errors import InputError
from fsd_model.evaluation.eval_split import read_eval
from fsd_model.labels import BONAFIDE, SPOOF

LA_LINES = ["S1 LA_T_1 - - bonafide", "S1 LA_T_2 - A01 spoof", "S2 LA_T_3 - A06 spoof"]
PA_LINES = ["S1 PA_T_1 aab - bonafide", "S1 PA_T_2 abc BC spoof"]
SUFFIX = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}


def make_split(root: Path, lines: list[str], split: str = "train", track: str = "LA") -> Path:
    """Lay out one split; audio files are empty: only their names count here. Returns the protocol."""
    folder = root / f"ASVspoof2019_{track}_cm_protocols"
    audio = root / f"ASVspoof2019_{track}_{split}" / "flac"
    folder.mkdir(parents=True, exist_ok=True)
    audio.mkdir(parents=True)
    for line in lines:
        if len(line.split()) > 1:
            (audio / f"{line.split()[1]}.flac").touch()
    protocol = folder / f"ASVspoof2019.{track}.cm.{SUFFIX[split]}.txt"
    protocol.write_text("".join(line + "\n" for line in lines))
    return protocol


@pytest.mark.parametrize("split", ["train", "dev"])
def test_reads_la(tmp_path: Path, split: str) -> None:
    make_split(tmp_path, LA_LINES, split)
    first, second, third = read_split(DataConfig(root=tmp_path), split)
    assert (first.name, first.speaker, first.attack, first.label) == ("LA_T_1", "S1", "-", BONAFIDE)
    assert (third.name, third.speaker, third.attack, third.label) == ("LA_T_3", "S2", "A06", SPOOF)
    assert second.path == tmp_path / f"ASVspoof2019_LA_{split}" / "flac" / "LA_T_2.flac"
    assert second.environment == "-"


def test_reads_pa(tmp_path: Path) -> None:
    make_split(tmp_path, PA_LINES, "dev", "PA")
    genuine, replayed = read_split(DataConfig(root=tmp_path, track="PA"), "dev")
    assert (genuine.environment, genuine.attack) == ("aab", "-")
    assert (replayed.environment, replayed.attack, replayed.label) == ("abc", "BC", SPOOF)


def test_bona_fide_is_one() -> None:
    assert (BONAFIDE, SPOOF) == (1, 0)


def test_the_parent_folder_will_do(tmp_path: Path) -> None:
    make_split(tmp_path / "LA", LA_LINES)
    assert read_split(DataConfig(root=tmp_path), "train") == read_split(
        DataConfig(root=tmp_path / "LA"), "train"
    )


def test_a_folder_without_corpus_names_both_tries(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_split(DataConfig(root=tmp_path, track="PA"), "train")
    found = "found none of ASVspoof2019_PA_cm_protocols, PA/ASVspoof2019_PA_cm_protocols, "
    assert str(caught.value).startswith(f"{tmp_path}: data folder must hold ASVspoof2019_PA_cm_protocols ")
    assert found in str(caught.value)


def test_windows_line_ends_byte_order_mark_and_empty_lines_are_read(tmp_path: Path) -> None:
    protocol = make_split(tmp_path, LA_LINES)
    protocol.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*LA_LINES, "", ""]).encode())
    assert [utterance.name for utterance in read_split(DataConfig(root=tmp_path), "train")] == [
        "LA_T_1",
        "LA_T_2",
        "LA_T_3",
    ]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("S1 LA_T_4 - spoof", "must have 5 columns (SPEAKER UTTERANCE - ATTACK KEY), got 4"),
        ("S1 LA_T_4 - A01 spoof x", "must have 5 columns (SPEAKER UTTERANCE - ATTACK KEY), got 6"),
        ("S1 LA_T_4 - A01 fake", "key must be bonafide or spoof, got `fake`"),
        ("S1 LA_T_2 - A01 spoof", "utterance must be unique, got LA_T_2 again (first in line 2)"),
        ("S1 LA_T_4 - A01 bonafide", "a bonafide line must have attack `-`, got `A01`"),
        ("S1 LA_T_4 - - spoof", "a spoof line must name its attack, got `-`"),
        ("S1 LA_T_4 aab A01 spoof", "third column must be `-` in LA, got `aab`"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, rule: str) -> None:
    protocol = make_split(tmp_path, [*LA_LINES, line])
    with pytest.raises(InputError) as caught:
        read_split(DataConfig(root=tmp_path), "train")
    assert str(caught.value).startswith(f"{protocol}:4: ")
    assert rule in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_environment_is_named(tmp_path: Path) -> None:
    protocol = make_split(tmp_path, ["S1 PA_T_1 abd - bonafide", *PA_LINES], track="PA")
    with pytest.raises(InputError, match=r"three of a, b, c in PA, got `abd`") as caught:
        read_split(DataConfig(root=tmp_path, track="PA"), "train")
    assert str(caught.value).startswith(f"{protocol}:1: ")


def test_missing_audio_is_counted_and_the_first_named(tmp_path: Path) -> None:
    protocol = make_split(tmp_path, LA_LINES)
    for name in ("LA_T_2", "LA_T_3"):
        (tmp_path / "ASVspoof2019_LA_train" / "flac" / f"{name}.flac").unlink()
    with pytest.raises(InputError) as caught:
        read_split(DataConfig(root=tmp_path), "train")
    assert str(caught.value).startswith(f"{protocol}:2: ")
    assert "got none for 2 of 3, the first LA_T_2.flac" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "rule"),
    [([], "got an empty file"), (LA_LINES[:1], "got no spoof line"), (LA_LINES[1:], "got no bonafide line")],
)
def test_both_classes_must_be_there(tmp_path: Path, lines: list[str], rule: str) -> None:
    protocol = make_split(tmp_path, lines)
    with pytest.raises(InputError, match=rule) as caught:
        read_split(DataConfig(root=tmp_path), "train")
    assert str(caught.value).startswith(f"{protocol}:1: ")


def test_missing_protocol_and_audio_folder_are_named(tmp_path: Path) -> None:
    protocol = make_split(tmp_path, LA_LINES)
    with pytest.raises(InputError, match=r"dev\.trl\.txt: protocol must exist"):
        read_split(DataConfig(root=tmp_path), "dev")
    protocol.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="must be UTF-8 text"):
        read_split(DataConfig(root=tmp_path), "train")


def test_a_missing_audio_folder_is_named(tmp_path: Path) -> None:
    make_split(tmp_path, LA_LINES)
    (tmp_path / "ASVspoof2019_LA_train").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="folder of audio files must be readable"):
        read_split(DataConfig(root=tmp_path), "train")


def test_eval_is_read_by_its_own_module_only(tmp_path: Path) -> None:
    make_split(tmp_path, LA_LINES, "eval")
    assert [utterance.name for utterance in read_eval(DataConfig(root=tmp_path))] == [
        "LA_T_1",
        "LA_T_2",
        "LA_T_3",
    ]
    with pytest.raises(InputError, match="split must be train or dev, got `eval`"):
        read_split(DataConfig(root=tmp_path), "eval")


@pytest.mark.parametrize("module", [fsd_model.data.training_splits, fsd_model.data.protocol])
def test_what_the_search_imports_cannot_name_eval(module: object) -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "fsd_model.evaluation.eval_split" not in imported
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not [text for text in texts if "eval.trl" in text]
