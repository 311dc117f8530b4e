"""The waveform as a front end, and how it lies in the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fsd_model.data.audio import read_audio
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig, extract, feature_shape
from fsd_model.features.storage_format import as_stored, from_stored, tensor_from_stored, to_stored
from fsd_model.features.store import open_features
from tests.fsd_model.support.stored_corpus import make_corpus, whole_stores

WAVEFORM = FeatureConfig(kind="waveform", samples=12_000)


@given(st.integers(1, 3_000), st.integers(1, 3_000))
def test_cuts_first_and_repeats_a_shorter_one_from_its_start(length: int, samples: int) -> None:
    recording = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    row = extract(FeatureConfig(kind="waveform", samples=samples), recording)
    assert (row.shape, row.dtype) == ((1, samples), np.float32)
    np.testing.assert_array_equal(row[0], recording[np.arange(samples) % length])


def test_the_default_length_is_that_of_the_field() -> None:
    assert feature_shape(FeatureConfig(kind="waveform")) == (1, 64_600)


@pytest.mark.parametrize("samples", [0, -1, 480_001, 1.5, True])
def test_a_length_out_of_range_is_refused(samples: object) -> None:
    with pytest.raises(ValidationError, match="samples"):
        FeatureConfig(kind="waveform", samples=samples)


@pytest.mark.parametrize("bad", [np.zeros(0, np.float32), np.array([0, np.nan], np.float32)])
def test_a_bad_recording_is_refused_as_by_the_other_front_ends(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="waveform must be"):
        extract(WAVEFORM, bad)


def test_a_stored_waveform_equals_the_decoded_file(tmp_path: Path) -> None:
    utterances = make_corpus(tmp_path / "flac")  # 9,000 to 19,000 samples
    extremes = np.array([-32768, 32767, 0, 1, -1] * 1_000, dtype=np.int16)
    soundfile.write(utterances[0].path, extremes, 16000)
    stored = open_features(tmp_path / "store", utterances, WAVEFORM)
    assert (stored.array.shape, stored.array.dtype) == ((6, 1, 12_000), np.int16)
    assert list(stored.lengths_N) == [5_000, 11_000, 13_000, 15_000, 17_000, 19_000]
    for row, length, utterance in zip(stored.array, stored.lengths_N, utterances, strict=True):
        decoded = read_audio(utterance.path)
        kept = min(length, 12_000)
        np.testing.assert_array_equal(from_stored(row)[0, :kept], decoded[:kept])
        np.testing.assert_array_equal(from_stored(row), extract(WAVEFORM, decoded))


def test_the_store_is_read_only_and_opened_without_decoding_again(tmp_path: Path) -> None:
    utterances = make_corpus(tmp_path / "flac")
    first = open_features(tmp_path / "store", utterances, WAVEFORM)
    moved = [replace(u, path=u.path.rename(tmp_path / u.path.name)) for u in utterances]
    again = open_features(tmp_path / "store", moved, WAVEFORM)
    np.testing.assert_array_equal(first.array, again.array)
    with pytest.raises(ValueError, match="read-only"):
        again.array[0, 0, 0] = 1


def test_settings_without_meaning_for_a_front_end_share_its_store(tmp_path: Path) -> None:
    utterances = make_corpus(tmp_path / "flac")
    for config in (FeatureConfig(), FeatureConfig(samples=100), WAVEFORM, FeatureConfig(pad="zero")):
        open_features(tmp_path / "store", utterances, config)
    assert len(whole_stores(tmp_path / "store")) == 2
    open_features(tmp_path / "store", utterances, FeatureConfig(kind="waveform", samples=12_001))
    open_features(tmp_path / "store", utterances, FeatureConfig(pad="reflect"))
    assert len(whole_stores(tmp_path / "store")) == 4


@given(st.integers(-32768, 32767))
def test_every_16_bit_sample_comes_back_exactly(sample: int) -> None:
    row = np.full((1, 1), sample / 32768, dtype=np.float32)
    assert to_stored(WAVEFORM, row) == sample
    assert as_stored(WAVEFORM, row) == row


@given(st.floats(-1, 1, width=32))
def test_other_samples_are_rounded_as_in_a_16_bit_file(sample: float) -> None:
    stored = as_stored(WAVEFORM, np.full((1, 1), sample, dtype=np.float32))
    assert abs(stored[0, 0] - sample) <= (0.5 if sample < 32767 / 32768 else 1) / 32768
    assert -1 <= stored[0, 0] < 1


@pytest.mark.parametrize("config", [WAVEFORM, FeatureConfig()])
def test_a_tensor_comes_back_like_an_array(config: FeatureConfig) -> None:
    stored = to_stored(config, np.random.default_rng(0).uniform(-1, 1, (3, 1, 50)).astype(np.float32))
    tensor = tensor_from_stored(torch.from_numpy(stored))
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.numpy(), from_stored(stored))
