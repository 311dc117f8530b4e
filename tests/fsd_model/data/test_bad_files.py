"""Bad files left out: in the store, in training and in evaluation, always on record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fsd_model.features.store
from fsd_model.data.training_splits import DataConfig
from fsd_model.data.utterance import Utterance
from fsd_model.detector.detector import Detector, empty_network
from fsd_model.errors import InputError
from fsd_model.evaluation.final_evaluation import earlier_evaluation, evaluate
from fsd_model.features.front_end import FeatureConfig
from fsd_model.features.store import open_features
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import open_training_data
from tests.fsd_model.support.cards import card
from tests.fsd_model.support.format_corpora import MANIFEST, make_2021, write_csv, write_noise
from tests.fsd_model.support.stored_corpus import make_corpus, whole_stores
from tuner.commands import app as cli

pytestmark = pytest.mark.usefixtures("detector_commands")

F0 = FeatureConfig(kind="f0_subband")


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    return make_corpus(tmp_path / "flac")


def spoil(utterances: list[Utterance]) -> None:
    """The third file is missing, the fifth is cut."""
    utterances[2].path.unlink()
    path = utterances[4].path
    path.write_bytes(path.read_bytes()[:1000])


def test_the_rows_that_remain_are_those_of_the_good_files(
    tmp_path: Path, utterances: list[Utterance]
) -> None:
    whole = open_features(tmp_path / "store", utterances, F0)
    spoil(utterances)
    part = open_features(tmp_path / "store", utterances, F0, skip_bad=True)
    assert [u.name for u in part.utterances] == ["U0", "U1", "U3", "U5"]
    np.testing.assert_array_equal(part.array, whole.array[[0, 1, 3, 5]])
    assert [bad.name for bad in part.left_out] == ["U2", "U4"]
    assert [bad.reason.split(",")[0] for bad in part.left_out] == [
        "audio file must exist and be readable",
        "audio must be whole FLAC",
    ]
    assert str(tmp_path) not in "".join(bad.reason for bad in part.left_out)


def test_the_digest_is_of_what_remains(tmp_path: Path, utterances: list[Utterance]) -> None:
    good = [utterances[row] for row in (0, 1, 3, 5)]
    before = open_features(tmp_path / "store", utterances, F0).content_digest
    expected = open_features(tmp_path / "store", good, F0).content_digest
    spoil(utterances)
    assert (
        open_features(tmp_path / "store", utterances, F0, skip_bad=True).content_digest == expected != before
    )


def test_a_second_opening_reads_no_audio(
    tmp_path: Path, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(utterances)
    first = open_features(tmp_path / "store", utterances, F0, skip_bad=True)
    monkeypatch.setattr(fsd_model.features.store, "read_bytes", None)
    second = open_features(tmp_path / "store", utterances, F0, skip_bad=True)
    assert second.left_out == first.left_out
    np.testing.assert_array_equal(first.array, second.array)


def test_without_bad_files_both_ways_share_one_store(tmp_path: Path, utterances: list[Utterance]) -> None:
    one = open_features(tmp_path / "store", utterances, F0)
    other = open_features(tmp_path / "store", utterances, F0, skip_bad=True)
    assert len(whole_stores(tmp_path / "store")) == 1
    assert (other.left_out, other.content_digest) == ((), one.content_digest)


def test_a_store_with_gaps_does_not_pass_as_whole(tmp_path: Path, utterances: list[Utterance]) -> None:
    spoil(utterances)
    rest = [u for u in utterances if u.name != "U2"]
    open_features(tmp_path / "store", rest, F0, skip_bad=True)
    with pytest.raises(InputError, match=r"U4\.flac: audio must be .* data\.skip_bad \(--skip-bad\)"):
        open_features(tmp_path / "store", rest, F0)


def test_a_repaired_file_comes_back(tmp_path: Path, utterances: list[Utterance]) -> None:
    content = utterances[4].path.read_bytes()
    spoil(utterances)
    open_features(tmp_path / "store", utterances, F0, skip_bad=True)
    utterances[4].path.write_bytes(content)
    again = open_features(tmp_path / "store", utterances, F0, skip_bad=True)
    assert [bad.name for bad in again.left_out] == ["U2"]


def test_the_first_bad_file_stops_and_names_the_setting(tmp_path: Path, utterances: list[Utterance]) -> None:
    utterances[4].path.write_bytes(b"x")
    with pytest.raises(InputError, match=r"U4\.flac: .*or leave bad files out with data\.skip_bad"):
        open_features(tmp_path / "store", utterances, F0)


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_class_without_a_good_file_is_an_error(
    tmp_path: Path, utterances: list[Utterance], how: str
) -> None:
    for utterance in utterances[1::2]:
        utterance.path.unlink() if how == "missing" else utterance.path.write_bytes(b"x")
    with pytest.raises(
        InputError, match="U1: each class must keep a good file, got no good bonafide file: 3"
    ):
        open_features(tmp_path / "store", utterances, F0, skip_bad=True)
    for utterance in utterances:
        utterance.path.unlink(missing_ok=True)
    with pytest.raises(InputError, match="U0: each class must keep a good file"):
        open_features(tmp_path / "store", utterances, F0, skip_bad=True)


def test_a_file_that_changes_under_the_run_is_not_left_out(
    tmp_path: Path, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsd_model.features.store, "read_bytes", lambda path: b"other")
    with pytest.raises(InputError, match="must not change under a run"):
        open_features(tmp_path / "store", utterances, F0, skip_bad=True)


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    """A manifest of 6 train, 6 dev and 6 eval files, one of each missing and one cut."""
    rows = []
    for seed in range(18):
        split = ("train", "dev", "eval")[seed // 6]
        attack, key = ("-", "bonafide") if seed % 2 else ("A01", "spoof")
        rows.append((f"{seed}.flac", "s", attack, key, split, "-"))
        write_noise(tmp_path / f"{seed}.flac", seed)
    write_csv(tmp_path / "manifest.csv", [MANIFEST, *rows])
    for start in (0, 6, 12):
        (tmp_path / f"{start}.flac").unlink()
        (tmp_path / f"{start + 3}.flac").write_bytes(b"fLaC")
    return DataConfig(root=tmp_path, skip_bad=True)


def test_training_data_is_without_bad_files(data: DataConfig, tmp_path: Path) -> None:
    values = {"data": data, "feature": F0, "runtime": {"store": tmp_path / "store"}}
    opened = open_training_data(TrainConfig.model_validate(values))
    assert [u.name for u in opened.train.utterances] == ["1", "2", "4", "5"]
    assert opened.train.labels_N.tolist() == [1, 0, 0, 1]
    assert len(opened.train.features_MFT) == 4
    assert [bad.name for bad in opened.left_out] == ["0", "3", "6", "9"]
    strict = data.model_copy(update={"skip_bad": False})
    with pytest.raises(InputError, match=r"first 0\.flac; .*data\.skip_bad \(--skip-bad\)"):
        open_training_data(TrainConfig.model_validate({**values, "data": strict}))


def make_detector(data: DataConfig) -> Detector:
    config = TrainConfig.model_validate({"data": data, "network": {"depth": 9}})
    own = card(network=config.network, data=data, left_out=({"name": "x", "reason": "y"},))
    return Detector(own, empty_network(config.network, F0))


def test_evaluation_lists_what_it_left_out(data: DataConfig, tmp_path: Path) -> None:
    detector = make_detector(data)
    result = evaluate(detector, data, "eval", tmp_path, jobs=2)
    written = json.loads((tmp_path / "eval.json").read_text())
    assert result.utterances == written["utterances"] == 4
    assert [bad["name"] for bad in written["left_out"]] == ["12", "15"]
    assert "audio must be whole" in written["left_out"][1]["reason"]
    assert earlier_evaluation(detector, data, "eval", tmp_path) == result
    strict = data.model_copy(update={"skip_bad": False})
    assert earlier_evaluation(detector, strict, "eval", tmp_path) is None
    write_noise(tmp_path / "12.flac", 12)
    with pytest.raises(InputError, match=r"15\.flac: .*data\.skip_bad \(--skip-bad\)"):
        evaluate(detector, strict, "eval", tmp_path)


def test_another_corpus_is_scored_from_the_command_line(
    data: DataConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_detector(data).save(tmp_path / "detector")
    make_2021(tmp_path / "new")
    arguments = [
        "evaluate",
        tmp_path / "detector",
        "--data",
        tmp_path / "new",
        "--out",
        tmp_path,
        "--skip-bad",
    ]
    (tmp_path / "new/ASVspoof2021_LA_eval/flac/LA_E_2.flac").write_bytes(b"x")
    assert cli.run([str(each) for each in arguments]) == 0
    assert f"left out 1 bad files, listed in {tmp_path / 'eval.json'}" in capsys.readouterr().out
    written = json.loads((tmp_path / "eval.json").read_text())
    assert (written["utterances"], list(written["eer_by_attack"])) == (2, ["A07"])
    assert len(written["reading"].pop("files")) == 64
    assert written["reading"] == {"format": "auto", "track": "LA", "subset": "eval", "skip_bad": True}
    assert cli.run([str(each) for each in [*arguments, "--track", "DF"]]) == 2
    assert "check the folder and the track (--track)" in capsys.readouterr().err


def test_the_card_keeps_its_list_on_disk(data: DataConfig, tmp_path: Path) -> None:
    detector = make_detector(data)
    detector.save(tmp_path / "detector")
    loaded = Detector.load(tmp_path / "detector")
    assert loaded.card == detector.card
    assert loaded.card.left_out[0].name == "x"


def test_utterances_of_the_same_name_in_two_stores_do_not_mix(
    tmp_path: Path, utterances: list[Utterance]
) -> None:
    spoil(utterances)
    renamed = [replace(u, name=f"V{i}") for i, u in enumerate(utterances)]
    first = open_features(tmp_path / "store", utterances, F0, skip_bad=True)
    second = open_features(tmp_path / "store", renamed, F0, skip_bad=True)
    assert [bad.name for bad in first.left_out] == ["U2", "U4"]
    assert [bad.name for bad in second.left_out] == ["V2", "V4"]
