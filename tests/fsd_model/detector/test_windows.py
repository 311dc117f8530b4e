"""Windows over long audio: positions, scores, independence of blocks and batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fsd_model.data import audio_stream
from fsd_model.data.audio import SAMPLE_RATE, Waveform, read_audio
from fsd_model.data.audio_stream import open_audio_file
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.detector.detector import Detector
from fsd_model.detector.windows import Windows, plan_windows, score_blocks, score_file_windows, score_windows
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig
from fsd_model.labels import BONAFIDE
from tests.fsd_model.evaluation.test_final_evaluation import detector

WINDOW_S = 5.0


@pytest.fixture(scope="module")
def untrained() -> Detector:
    torch.set_num_threads(1)  # two for so small a network take ten times the time on a busy machine
    torch.manual_seed(0)
    return detector()


@pytest.fixture(scope="module")
def speech(tiny_corpus: Path) -> Waveform:
    """Return concatenated real recordings, 14 s."""
    utterances = [u for u in read_split(DataConfig(root=tiny_corpus), "dev") if u.label == BONAFIDE]
    return np.concatenate([read_audio(u.path) for u in utterances])[: 14 * SAMPLE_RATE]


class Loudness(Detector):
    """A linear detector with fixed weights: the quieter a window, the higher its score."""

    def score_features(self, features_BFT: NDArray[np.float32]) -> NDArray[np.float32]:
        level_B: NDArray[np.float32] = -features_BFT.mean(axis=(1, 2))
        return level_B


@given(
    samples=st.integers(1, 400), length=st.integers(1, 90), hop=st.integers(1, 90), reach=st.integers(0, 50)
)
def test_windows_cover_everything_end_with_the_audio_and_are_no_more_than_needed(samples, length, hop, reach):
    hop = min(hop, length)
    starts = Windows(length, hop, length + reach).starts(samples)
    assert starts[0] == 0
    assert starts[-1] == max(0, samples - length)
    assert all(0 < after - before <= hop for before, after in pairwise(starts))
    assert len(starts) == 1 + max(0, -(-(samples - length) // hop))


@pytest.mark.parametrize("seconds", [0.1, 2.0, 5.0])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_short_audio_is_one_window_with_the_detector_s_own_score(untrained, speech, tmp_path, seconds, rate):
    path = tmp_path / "short.wav"
    soundfile.write(path, speech[: round(seconds * rate)], rate)
    for found in (score_file_windows(untrained, path), score_windows(untrained, read_audio(path))):
        assert found.scores.tolist() == [untrained.score_file(path)]
        assert (found.starts_s[0], found.ends_s[0]) == (0, pytest.approx(seconds, abs=1e-4))
        assert found.mean == found.worst == found.scores[0]


@pytest.mark.parametrize("kind", ["f0_subband", "lfcc", "waveform"])
def test_each_window_of_long_audio_scores_as_if_it_were_alone(untrained, speech, kind):
    # the features are what matters: the network of another front end would only be another function of them
    feature = FeatureConfig(kind=kind, samples=40_000)
    card = untrained.card.model_copy(update={"feature": feature})
    judge = Loudness(card, untrained.network)
    found = score_windows(judge, speech)
    for start, end, score in zip(found.starts_s, found.ends_s, found.scores, strict=True):
        begin, reach = round(start * SAMPLE_RATE), plan_windows(feature).reach
        assert score == pytest.approx(judge.score(speech[begin : begin + reach]), rel=1e-6)
        assert end - start == plan_windows(feature).length / SAMPLE_RATE
    assert found.scores[0] == np.float32(judge.score(speech))
    assert found.ends_s[-1] == len(speech) / SAMPLE_RATE


def test_the_worst_window_lies_where_the_spoof_is(untrained, speech, tiny_corpus):
    spoofs = [u for u in read_split(DataConfig(root=tiny_corpus), "dev") if u.label != BONAFIDE]
    spoof = np.concatenate([read_audio(u.path) for u in spoofs])[: round(WINDOW_S * SAMPLE_RATE)]
    quiet = 0.02 * speech / np.abs(speech).max()
    at = 4 * SAMPLE_RATE
    spliced = np.concatenate([quiet[:at], 0.9 * spoof / np.abs(spoof).max(), quiet[at:]])
    found = score_windows(Loudness(untrained.card, untrained.network), spliced, window_s=2.0, hop_s=1.0)
    start, end = found.starts_s[found.worst_at], found.ends_s[found.worst_at]
    assert 4 <= start < end <= 4 + WINDOW_S
    outside = (found.ends_s <= 4) | (found.starts_s >= 4 + WINDOW_S)
    assert found.scores[outside].min() > found.worst
    assert found.mean == pytest.approx(found.scores.mean())


def test_neither_batches_nor_blocks_change_a_score(untrained, speech):
    windows = plan_windows(untrained.card.feature, hop_s=2.0)
    whole = score_blocks(untrained, [speech], len(speech), windows, batch=1)
    for batch, size in ((4, 70_001), (100, 999)):
        blocks = (speech[at : at + size] for at in range(0, len(speech), size))
        found = score_blocks(untrained, blocks, len(speech), windows, batch)
        np.testing.assert_allclose(found.scores, whole.scores, atol=1e-5)
        np.testing.assert_array_equal(found.starts_s, whole.starts_s)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (8000, 1), (11025, 2), (44100, 2), (96000, 1)])
@pytest.mark.parametrize("block_s", [0.07, 10.0])
def test_blocks_together_are_the_whole_file(tmp_path, monkeypatch, speech, rate, channels, block_s):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.stack([speech[: rate + 17]] * channels, axis=1), rate)
    monkeypatch.setattr(audio_stream, "_BLOCK_S", block_s)
    whole = read_audio(path)
    with open_audio_file(path) as stream:
        assert stream.samples == len(whole)
        assert stream.duration_s == (rate + 17) / rate
        joined = np.concatenate(list(stream.blocks()))
    np.testing.assert_allclose(joined, whole, atol=1e-6)
    if rate == SAMPLE_RATE or block_s > 1.1:
        np.testing.assert_array_equal(joined, whole)


def test_an_hour_is_read_in_blocks(untrained, speech):
    """Check that memory is bounded by a window and a block, whatever the length."""
    block, taken = speech[:80_000], 0

    def blocks() -> Iterator[Waveform]:
        nonlocal taken
        for _ in range(720):
            taken += 1
            yield block

    class Counting(Loudness):
        ahead: int = 0

        def features(self, waveform_S: Waveform) -> NDArray[np.float32]:
            Counting.ahead = max(Counting.ahead, taken - seen)
            return np.zeros((1, 1), np.float32)

        def score_features(self, features_BFT: NDArray[np.float32]) -> NDArray[np.float32]:
            nonlocal seen
            seen += len(features_BFT)
            return np.zeros(len(features_BFT), np.float32)

    seen = 0
    windows = plan_windows(untrained.card.feature, hop_s=5.0)
    found = score_blocks(Counting(untrained.card, untrained.network), blocks(), 720 * len(block), windows)
    assert len(found.scores) == 720
    assert Counting.ahead <= 5


@pytest.mark.parametrize(
    ("window", "hop", "words"),
    [
        (6.0, None, "window: must be 0.1 to 5 s, which is what this front end (f0_subband) uses, got 6"),
        (0.0, None, "window: must be"),
        (float("nan"), None, "window: must be"),
        (2.0, 2.5, "hop: must be above 0 and at most the window, 2 s, got 2.5"),
        (None, 0.0, "hop: must be"),
        (None, float("nan"), "hop: must be"),
    ],
)
def test_lengths_outside_their_range_are_refused(window, hop, words):
    with pytest.raises(InputError) as caught:
        plan_windows(FeatureConfig(), window, hop)
    assert words in str(caught.value)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("suffix", ["flac", "wav", "ogg"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [(cut, "audio must be"), (lambda data: b"", "0 bytes"), (lambda data: b"text" * 99, "of something else")],
)
def test_damaged_files_are_refused_as_elsewhere(tmp_path, untrained, speech, suffix, damage, words):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, speech[:SAMPLE_RATE], SAMPLE_RATE)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=words) as caught:
        score_file_windows(untrained, path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_samples_that_are_none(tmp_path, untrained):
    with pytest.raises(InputError, match="must exist, found none"):
        score_file_windows(untrained, tmp_path / "none.wav")
    soundfile.write(tmp_path / "nan.wav", np.full(9000, np.nan), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(InputError, match="samples must be finite"):
        score_file_windows(untrained, tmp_path / "nan.wav")
