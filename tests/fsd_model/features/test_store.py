"""The feature store: computed once, by one process, whole or not at all."""

from __future__ import annotations

import os
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fsd_model.features.store
from fsd_model.data.audio import decode_audio, read_audio
from fsd_model.data.utterance import Utterance
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig, extract
from fsd_model.features.store import default_store, open_features
from tests.fsd_model.support.stored_corpus import leftovers, make_corpus, whole_stores

F0 = FeatureConfig(kind="f0_subband")
LFCC = FeatureConfig(kind="lfcc")

opened: list[str] = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)


def opened_files(suffix: str) -> list[str]:
    """Files this process opened since `opened` was cleared, as often as it did."""
    return [name for name in opened if name.endswith(suffix)]


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    return make_corpus(tmp_path / "flac")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files decoded so far."""
    names: list[str] = []

    def counting(data: bytes, path: Path) -> np.ndarray:
        names.append(Path(path).name)
        return decode_audio(data, path)

    monkeypatch.setattr(fsd_model.features.store, "decode_audio", counting)
    opened.clear()
    return names


def test_holds_the_features_in_the_order_asked_for(tmp_path: Path, utterances: list[Utterance]) -> None:
    for order in (utterances, utterances[::-1]):
        stored = open_features(tmp_path / "store", order, LFCC)
        assert stored.array.dtype == np.float16
        assert stored.array.shape == (6, 60, 400)
        for row, utterance in zip(stored.array, order, strict=True):
            expected = extract(LFCC, read_audio(utterance.path)).astype(np.float16)
            np.testing.assert_array_equal(row, expected)


def test_is_read_only_and_mapped(tmp_path: Path, utterances: list[Utterance]) -> None:
    array = open_features(tmp_path / "store", utterances, F0).array
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1


def test_a_second_opening_reads_and_decodes_nothing(
    tmp_path: Path, utterances: list[Utterance], decoded: list[str]
) -> None:
    first = open_features(tmp_path / "store", utterances, F0)
    assert decoded == [f"U{i}.flac" for i in range(6)]
    assert len(opened_files(".flac")) == 12  # once for the digest, once for the features
    decoded.clear()
    opened.clear()
    second = open_features(tmp_path / "store", utterances, F0)
    assert (decoded, opened_files(".flac")) == ([], [])
    assert opened_files(".lock") == []  # so a store on a read-only disk serves as well
    np.testing.assert_array_equal(first.array, second.array)
    assert first.content_digest == second.content_digest


def test_a_second_front_end_reads_each_file_once(
    tmp_path: Path, utterances: list[Utterance], decoded: list[str]
) -> None:
    open_features(tmp_path / "store", utterances, F0)
    opened.clear()
    open_features(tmp_path / "store", utterances, LFCC)
    assert len(opened_files(".flac")) == 6
    assert len(whole_stores(tmp_path / "store")) == 2


def test_a_changed_file_is_noticed(tmp_path: Path, utterances: list[Utterance], decoded: list[str]) -> None:
    before = open_features(tmp_path / "store", utterances, F0)
    decoded.clear()
    soundfile.write(utterances[2].path, np.random.default_rng(99).normal(scale=0.05, size=9_000), 16000)
    after = open_features(tmp_path / "store", utterances, F0)
    assert len(decoded) == 6
    assert after.content_digest != before.content_digest
    assert not np.array_equal(after.array[2], before.array[2])
    np.testing.assert_array_equal(after.array[3], before.array[3])


def test_a_moved_corpus_needs_no_new_features(
    tmp_path: Path, utterances: list[Utterance], decoded: list[str]
) -> None:
    before = open_features(tmp_path / "store", utterances, F0)
    decoded.clear()
    (tmp_path / "flac").rename(tmp_path / "elsewhere")
    moved = [replace(u, path=tmp_path / "elsewhere" / u.path.name) for u in utterances]
    after = open_features(tmp_path / "store", moved, F0)
    assert decoded == []
    assert after.content_digest == before.content_digest


def test_the_content_digest_is_of_the_data_alone(tmp_path: Path, utterances: list[Utterance]) -> None:
    digest = open_features(tmp_path / "store", utterances, F0).content_digest
    assert len(digest) == 64
    assert open_features(tmp_path / "other", utterances, LFCC).content_digest == digest
    relabelled = [replace(utterances[0], label=1 - utterances[0].label), *utterances[1:]]
    assert open_features(tmp_path / "store", relabelled, F0).content_digest != digest
    renamed = [replace(utterances[0], name="V0"), *utterances[1:]]
    assert open_features(tmp_path / "store", renamed, F0).content_digest != digest


def test_progress_counts_up_while_building_only(tmp_path: Path, utterances: list[Utterance]) -> None:
    calls: list[tuple[int, int]] = []
    for _ in range(2):
        open_features(tmp_path / "store", utterances, F0, lambda done, total: calls.append((done, total)))
    assert calls == [(i, 6) for i in range(1, 7)]


def test_threads_of_one_process_build_once(
    tmp_path: Path, utterances: list[Utterance], decoded: list[str]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(lambda _: open_features(tmp_path / "store", utterances, F0), range(4)))
    assert len(decoded) == 6
    for other in stored[1:]:
        np.testing.assert_array_equal(other.array, stored[0].array)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_build_cleans_up(
    tmp_path: Path, utterances: list[Utterance], interruption: type[BaseException]
) -> None:
    def progress(done: int, total: int) -> None:
        if done == 3:
            raise interruption

    with pytest.raises(interruption):
        open_features(tmp_path / "store", utterances, F0, progress)
    assert whole_stores(tmp_path / "store") == leftovers(tmp_path / "store") == []
    assert open_features(tmp_path / "store", utterances, F0).array.shape == (6, 45, 600)


def test_a_bad_file_is_named_and_nothing_stays(tmp_path: Path, utterances: list[Utterance]) -> None:
    whole = utterances[4].path.read_bytes()
    utterances[4].path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"U4\.flac"):
        open_features(tmp_path / "store", utterances, F0)
    assert whole_stores(tmp_path / "store") == leftovers(tmp_path / "store") == []
    utterances[4].path.write_bytes(whole)
    assert open_features(tmp_path / "store", utterances, F0).array.shape == (6, 45, 600)


def test_a_missing_file_is_named(tmp_path: Path, utterances: list[Utterance]) -> None:
    open_features(tmp_path / "store", utterances, F0)
    utterances[1].path.unlink()
    with pytest.raises(InputError, match=r"U1\.flac: audio file must exist"):
        open_features(tmp_path / "store", utterances, F0)


def test_a_full_disk_is_named_and_nothing_stays(tmp_path: Path, utterances: list[Utterance]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # the system refuses to write files beyond this size, as it does on a full disk: OSError
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        with pytest.raises(InputError) as caught:
            open_features(tmp_path / "store", utterances, F0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value).startswith(
        f"{tmp_path / 'store'}: feature store must be writable and have space"
    )
    assert "FSD_STORE" in str(caught.value)
    assert whole_stores(tmp_path / "store") == leftovers(tmp_path / "store") == []


def test_a_store_that_is_a_file_is_named(tmp_path: Path, utterances: list[Utterance]) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(InputError, match="feature store must be writable"):
        open_features(tmp_path / "store", utterances, F0)


@pytest.mark.parametrize("value", [70_000.0, -70_000.0, np.nan, np.inf])
def test_features_that_float16_cannot_hold_are_an_error(
    tmp_path: Path, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    features = np.zeros((45, 600), dtype=np.float32)
    features[3, 5] = value
    monkeypatch.setattr(fsd_model.features.store, "extract", lambda config, waveform: features)
    with pytest.raises(InputError, match=r"U0\.flac: features must fit float16"):
        open_features(tmp_path / "store", utterances, F0)
    assert whole_stores(tmp_path / "store") == leftovers(tmp_path / "store") == []


def test_a_store_cut_short_by_others_is_named(tmp_path: Path, utterances: list[Utterance]) -> None:
    stored = open_features(tmp_path / "store", utterances, F0)
    os.truncate(stored.array.filename, 1_000)
    with pytest.raises(InputError, match="features must be 324000 bytes, got 1000; delete the folder"):
        open_features(tmp_path / "store", utterances, F0)


def test_damaged_memory_of_digests_is_computed_again(
    tmp_path: Path, utterances: list[Utterance], decoded: list[str]
) -> None:
    before = open_features(tmp_path / "store", utterances, F0)
    (memory,) = (tmp_path / "store" / "digests").glob("*.json")
    memory.write_bytes(memory.read_bytes()[:50])
    decoded.clear()
    assert open_features(tmp_path / "store", utterances, F0).content_digest == before.content_digest
    assert decoded == []


def test_no_utterances_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one utterance"):
        open_features(tmp_path / "store", [], F0)


def test_the_environment_names_the_default_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FSD_STORE", str(tmp_path / "mine"))
    assert default_store() == tmp_path / "mine"
    monkeypatch.delenv("FSD_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_store() == tmp_path / "cache" / "fsd-tuner" / "features"
