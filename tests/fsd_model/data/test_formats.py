"""Each corpus format: what is read, what is refused with file and line, and what training may see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd_model.data.formats import asvspoof5, asvspoof2021, manifest
from fsd_model.data.formats.tables import table_rows
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.errors import InputError
from fsd_model.evaluation.eval_split import evaluation_format, has_eval, read_eval
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import open_training_data
from tests.fsd_model.support.format_corpora import (
    DF_2021,
    LA_2021,
    MANIFEST,
    OLD_5,
    PA_2021,
    ROWS,
    TRAIN_5,
    WILD,
    make_5,
    make_2021,
    make_manifest,
    make_wild,
    write_csv,
    write_parquet,
)

WORD = st.text("abcXYZ019_-", min_size=1).filter(
    lambda text: text not in ("-", "none", "nocodec", "bonafide")
)


def test_2021_la_names_codec_and_transmission(tmp_path: Path) -> None:
    first, second, third = read_eval(make_2021(tmp_path))
    assert (first.name, first.speaker, first.attack, first.label) == ("LA_E_1", "LA_0009", "A07", SPOOF)
    assert [u.codec for u in (first, second, third)] == ["alaw/ita_tx", "g722/loc_tx", "-"]
    assert [u.attack for u in (second, third)] == ["-", "-"]
    assert first.path == tmp_path / "ASVspoof2021_LA_eval" / "flac" / "LA_E_1.flac"


def test_2021_subsets_are_apart(tmp_path: Path) -> None:
    data = make_2021(tmp_path)
    progress = read_eval(data.model_copy(update={"subset": "progress"}))
    assert [u.name for u in progress] == ["LA_E_4", "LA_E_5"]
    with pytest.raises(InputError, match="must list utterances"):
        read_eval(data.model_copy(update={"subset": "hidden"}))


def test_2021_pa_names_the_attack_by_distance_and_device(tmp_path: Path) -> None:
    replayed, genuine = read_eval(make_2021(tmp_path, "PA"))
    assert (replayed.attack, replayed.environment, replayed.codec) == ("c3s4", "R3M3d4", "-")
    assert (genuine.attack, genuine.environment, genuine.label) == ("-", "R1M2D2", BONAFIDE)


def test_2021_df_names_the_compression(tmp_path: Path) -> None:
    utterances = read_eval(make_2021(tmp_path, "DF"))
    assert [u.codec for u in utterances] == ["-", "low_m4a", "mp3m4a"]
    assert [u.attack for u in utterances] == ["A14", "Task1-team20", "-"]


@pytest.mark.parametrize(
    "keys", ["keys/LA/CM", "LA/CM", "LA-keys-stage-1/keys/CM", "ASVspoof2021_LA_eval/keys/LA/CM"]
)
def test_2021_keys_are_found_where_they_are_unpacked(tmp_path: Path, keys: str) -> None:
    assert len(read_eval(make_2021(tmp_path, keys=keys))) == 3


def test_2021_may_be_given_by_the_folder_of_its_audio(tmp_path: Path) -> None:
    make_2021(tmp_path, keys="ASVspoof2021_LA_eval/keys/LA/CM")
    assert len(read_eval(DataConfig(root=tmp_path / "ASVspoof2021_LA_eval"))) == 3


@pytest.mark.parametrize("folder", ["", "ASVspoof5_protocols"])
def test_asvspoof5_is_read(tmp_path: Path, folder: str) -> None:
    spoof, bonafide = read_split(make_5(tmp_path, folder=folder), "train")
    assert (spoof.name, spoof.speaker, spoof.attack, spoof.codec) == ("T_1", "T_4850", "A05", "-")
    assert (bonafide.attack, bonafide.label, bonafide.codec) == ("-", BONAFIDE, "C05")
    assert spoof.path == tmp_path / "flac_T" / "T_1.flac"


def test_asvspoof5_of_six_columns_is_read(tmp_path: Path) -> None:
    spoof, bonafide = read_split(
        make_5(tmp_path, OLD_5, "dev").model_copy(update={"format": "asvspoof5"}), "dev"
    )
    assert (spoof.attack, spoof.label, bonafide.attack) == ("unknown", SPOOF, "-")


def test_asvspoof5_eval_is_read_by_evaluation(tmp_path: Path) -> None:
    data = make_5(tmp_path, split="eval")
    assert [u.path.parent.name for u in read_eval(data)] == ["flac_E_eval"] * 2
    with pytest.raises(InputError, match="found none of"):
        read_split(data, "train")


def test_in_the_wild_is_read(tmp_path: Path) -> None:
    spoof, bonafide = read_eval(make_wild(tmp_path))
    assert (spoof.name, spoof.speaker, spoof.attack, spoof.label) == ("0", "Alec Guinness", "unknown", SPOOF)
    assert (bonafide.attack, bonafide.path) == ("-", tmp_path / "1.wav")


def test_a_manifest_is_read(tmp_path: Path) -> None:
    data = make_manifest(tmp_path)
    bonafide, spoof = read_split(data, "train")
    assert (bonafide.name, bonafide.attack, bonafide.codec) == ("audio/a", "-", "-")
    assert (spoof.path, spoof.codec, spoof.speaker) == (tmp_path / "audio/b.flac", "opus", "s1")
    assert [u.name for u in read_split(data, "dev")] == ["audio/c", "audio/d"]
    assert [u.name for u in read_eval(data)] == ["audio/e", "audio/f"]
    by_file = DataConfig(root=tmp_path / "manifest.csv")
    assert read_split(by_file, "train") == read_split(data, "train")


def test_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    from_csv = read_split(make_manifest(tmp_path), "dev")
    write_parquet(tmp_path / "other.parquet", MANIFEST, ROWS)
    assert read_split(DataConfig(root=tmp_path / "other.parquet"), "dev") == from_csv


CHANGES: dict[str, tuple[Callable[[Path, list], DataConfig], list]] = {
    "2021": (lambda root, rows: make_2021(root, "LA", rows), LA_2021),
    "2021 PA": (lambda root, rows: make_2021(root, "PA", rows), PA_2021),
    "2021 DF": (lambda root, rows: make_2021(root, "DF", rows), DF_2021),
    "5": (make_5, TRAIN_5),
    "wild": (make_wild, WILD),
    "manifest": (make_manifest, ROWS),
}


@pytest.mark.parametrize(
    ("layout", "bad", "rule"),
    [
        ("2021", "S T alaw tx A07 spoof eval", "line must have 8 columns (SPEAKER TRIAL CODEC"),
        ("2021", "S T alaw tx A07 fake notrim eval", "key must be bonafide or spoof, got `fake`"),
        ("2021", "S T alaw tx - spoof notrim eval", "a spoof line must name its attack, got `-`"),
        ("2021", "S T alaw tx A07 bonafide notrim eval", "a bonafide line must have attack `-`, got `A07`"),
        ("2021", "S T alaw tx A07 spoof cut eval", "trimming must be trim or notrim, got `cut`"),
        ("2021", "S T alaw tx A07 spoof notrim test", "subset must be one of eval, progress, hidden"),
        ("2021", LA_2021[0], "utterance must be unique, got LA_E_1 again (first in line 1)"),
        ("2021 PA", "S T R3 M3 d4 r1 m1 s4 spoof notrim eval", "line must have 12 columns"),
        ("2021 PA", "S T R3 M3 d4 r1 m1 s4 c3 replay notrim eval", "key must be bonafide or spoof"),
        ("2021 DF", LA_2021[0], "line must have 13 columns"),
        ("5", "T_1 T_3 F - - - AC3 A05 spoof", "line must have 10 columns"),
        ("5", "T_1 T_3 F - - - AC3 A05 fake -", "key must be bonafide or spoof, got `fake`"),
        ("5", "T_1 T_3 F - - - AC3 A05 bonafide -", "a bonafide line must have attack `-`"),
        ("wild", ("2.wav", "x", "real"), "label must be bona-fide or spoof, got `real`"),
        ("wild", ("", "x", "spoof"), "file must be a name in the folder, got ``"),
        ("wild", ("2.wav", "x"), "row must have 3 columns as the header has, got 2"),
        ("manifest", ("g.flac", "s", "-", "genuine", "train", "-"), "key must be bonafide or spoof"),
        ("manifest", ("g.flac", "s", "-", "spoof", "train", "-"), "a spoof line must name its attack"),
        ("manifest", ("g.flac", "s", "A 1", "spoof", "train", "-"), "attack must be one word, got `A 1`"),
        ("manifest", ("", "s", "-", "bonafide", "train", "-"), "path must name an audio file"),
        ("manifest", ("g.flac", "s", "-", "bonafide", "test", "-"), "split must be train, dev or eval, got"),
        ("manifest", ROWS[0], "utterance must be unique, got audio/a again (first in line 2)"),
        ("manifest", ("g.flac", "s"), "row must have 6 columns as the header has, got 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, layout: str, bad: str, rule: str) -> None:
    make, rows = CHANGES[layout]
    data = make(tmp_path, [*rows, bad])
    read = read_eval if layout in ("2021", "2021 PA", "2021 DF", "wild") else lambda d: read_split(d, "train")
    with pytest.raises(InputError) as caught:
        read(data)
    (place, _, rest) = str(caught.value).partition(": ")
    number = len(rows) + (2 if layout in ("wild", "manifest") else 1)
    assert place.startswith(str(tmp_path))
    assert place.endswith(f":{number}")
    assert rest.startswith(rule)
    assert "\n" not in rest
    assert ";" in rest


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    data = make_manifest(
        tmp_path, [("a.flac", "s", "bonafide", "train")], ("path", "speaker", "label", "split")
    )
    with pytest.raises(InputError, match=r"manifest\.csv:1: table must have the columns .* got no attack; "):
        read_split(data, "train")


def test_a_missing_split_of_a_manifest_is_named(tmp_path: Path) -> None:
    data = make_manifest(tmp_path, ROWS[:2])
    with pytest.raises(InputError, match="must have rows of the split dev, got none"):
        read_split(data, "dev")


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_a_damaged_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.parquet: table must be"):
        read_split(DataConfig(root=tmp_path / "x.parquet"), "train")


@pytest.mark.parametrize("make", [make_2021, make_wild])
def test_evaluation_sets_are_not_trained_on(tmp_path: Path, make: Callable[[Path], DataConfig]) -> None:
    data = make(tmp_path)
    layout = evaluation_format(data)
    with pytest.raises(InputError, match="are evaluation sets: train on another"):
        read_split(data, "train")
    with pytest.raises(InputError, match="is an evaluation set; train on another corpus"):
        read_split(data.model_copy(update={"format": layout}), "dev")
    assert has_eval(data)


def test_a_folder_of_nothing_lists_what_was_looked_for(tmp_path: Path) -> None:
    for read in (read_eval, lambda data: read_split(data, "train")):
        with pytest.raises(InputError) as caught:
            read(DataConfig(root=tmp_path))
        for wanted in ("ASVspoof2019_LA_cm_protocols", "ASVspoof5.train.tsv", "manifest.parquet"):
            assert wanted in str(caught.value)


def test_the_track_df_is_not_of_2019(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be LA or PA in ASVspoof 2019, got `DF`"):
        read_split(DataConfig(root=tmp_path, track="DF", format="asvspoof2019"), "train")


def test_training_looks_at_no_row_of_eval(tmp_path: Path) -> None:
    """Rows of eval may hold anything; their audio need not be there."""
    rows = [*ROWS[:4], ("/nowhere/x.flac", "", "A 1", "no label", "eval", "-")]
    data = make_manifest(tmp_path, ROWS[:4])
    write_csv(tmp_path / "manifest.csv", [MANIFEST, *rows])
    assert {u.name for split in ("train", "dev") for u in read_split(data, split)} == {
        "audio/a",
        "audio/b",
        "audio/c",
        "audio/d",
    }
    with pytest.raises(InputError, match=":6: "):
        read_eval(data)
    with pytest.raises(InputError, match="split must be train or dev, got `eval`"):
        read_split(data, "eval")


@settings(deadline=None)
@given(WORD, WORD, WORD, WORD, WORD, st.booleans(), st.sampled_from(["eval", "progress", "hidden"]))
def test_a_2021_line_is_read_back(
    speaker: str, name: str, codec: str, sent: str, attack: str, spoof: bool, subset: str
) -> None:
    key, column = ("spoof", attack) if spoof else ("bonafide", "-")
    columns = [speaker, name, codec, sent, column, key, "notrim", subset]
    found = asvspoof2021.parse_line(columns, Path("a"), "LA", subset)
    assert found is not None
    assert (found.speaker, found.name, found.codec, found.attack) == (
        speaker,
        name,
        f"{codec}/{sent}",
        column,
    )
    assert found.label == (SPOOF if spoof else BONAFIDE)
    for other in {"eval", "progress", "hidden"} - {subset}:
        assert asvspoof2021.parse_line(columns, Path("a"), "LA", other) is None


@settings(deadline=None)
@given(WORD, WORD, WORD, WORD, st.booleans())
def test_an_asvspoof5_line_is_read_back(
    speaker: str, name: str, codec: str, attack: str, spoof: bool
) -> None:
    key, column = ("spoof", attack) if spoof else ("bonafide", "bonafide")
    found = asvspoof5.parse_line([speaker, name, "F", codec, "-", "-", "AC1", column, key, "-"], Path("a"))
    assert (found.speaker, found.name, found.codec) == (speaker, name, codec)
    assert (found.attack, found.label) == ((attack, SPOOF) if spoof else ("-", BONAFIDE))


KEYS = (("bonafide", "-"), ("spoof", "A01"))
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1))
def test_a_csv_table_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    file = tmp_path_factory.getbasetemp() / "table.csv"
    write_csv(file, [("a", "b", "c"), *rows])
    read = [row for _, row in table_rows(file, ("a", "b"), ("c", "d"))]
    assert [(row["a"], row["b"], row["c"], row["d"]) for row in read] == [(*row, "") for row in rows]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["train", "dev", "eval"]), min_size=1, max_size=30))
def test_every_row_of_a_manifest_is_in_one_split(
    tmp_path_factory: pytest.TempPathFactory, splits: list[str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "splits.csv"
    rows = [
        (f"{i}{key}.flac", "s", attack, key, split, "-")
        for i, split in enumerate(splits)
        for key, attack in KEYS
    ]
    write_csv(file, [MANIFEST, *rows])
    assert manifest.splits_in(file) == set(splits)
    for split in set(splits):
        names = [u.name for u in manifest.read_manifest(file, split, check_files=False)]
        assert names == [row[0].removesuffix(".flac") for row in rows if row[4] == split]


@pytest.mark.slow
def test_a_manifest_of_the_demo_gives_the_very_same_features(tiny_corpus: Path, tmp_path: Path) -> None:
    original = DataConfig(root=tiny_corpus)
    rows = [
        (str(u.path), u.speaker, u.attack, "bonafide" if u.label == BONAFIDE else "spoof", split, "-")
        for split in ("train", "dev")
        for u in read_split(original, split)
    ]
    write_csv(tmp_path / "list.csv", [MANIFEST, *rows])
    listed = DataConfig(root=tmp_path / "list.csv")
    first, second = (
        open_training_data(
            TrainConfig.model_validate({"data": data, "runtime": {"store": tmp_path / "store"}})
        )
        for data in (original, listed)
    )
    for one, other in ((first.train, second.train), (first.dev, second.dev)):
        np.testing.assert_array_equal(one.features_MFT, other.features_MFT)
        np.testing.assert_array_equal(one.labels_N, other.labels_N)
