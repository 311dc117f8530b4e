"""Masks: how many rows and frames, where, with what, and nothing else."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fsd_model.augmentation.config import SpecConfig
from fsd_model.augmentation.spec_augment import draw_spans, random_span, spec_augment

SPAN_SEED = st.integers(0, 2**32 - 1)


def features(rows: int = 45, frames: int = 600) -> np.ndarray:
    return np.random.default_rng(0).normal(-5, 2, (rows, frames)).astype(np.float32)


def augmented(config: SpecConfig, features_FT: np.ndarray, seed: int) -> np.ndarray:
    spans = draw_spans(config, features_FT.shape, np.random.default_rng(seed))
    spans_BM2 = torch.tensor([[[span.start, span.stop] for span in spans]], dtype=torch.int64)
    return spec_augment(config, torch.from_numpy(features_FT)[None], spans_BM2.reshape(1, -1, 2))[0].numpy()


def masked(before: np.ndarray, after: np.ndarray) -> tuple[list[int], list[int]]:
    """Rows and columns that were changed throughout."""
    changed = before != after
    return list(np.flatnonzero(changed.all(axis=1))), list(np.flatnonzero(changed.all(axis=0)))


@given(SPAN_SEED, st.integers(0, 9), st.integers(0, 60))
def test_one_mask_of_each_kind_covers_exactly_its_rows_and_frames(seed: int, rows: int, frames: int) -> None:
    config = SpecConfig(time_width=frames, frequency_width=rows)
    before = features()
    after = augmented(config, before, seed)
    rng = np.random.default_rng(seed)
    row_span, frame_span = random_span(45, rows, rng), random_span(600, frames, rng)
    assert masked(before, after) == (
        list(range(45))[row_span], list(range(600))[frame_span]
    )  # fmt: skip
    untouched = np.ones((45, 600), dtype=bool)
    untouched[row_span] = untouched[:, frame_span] = False
    np.testing.assert_array_equal(after[untouched], before[untouched])
    assert after.dtype == np.float32


def test_widths_and_places_are_even() -> None:
    spans = [random_span(45, 4, np.random.default_rng(seed)) for seed in range(5_000)]
    widths = Counter(span.stop - span.start for span in spans)
    assert sorted(widths) == [0, 1, 2, 3, 4]
    assert all(900 <= count <= 1_100 for count in widths.values())
    covered = np.zeros(45)
    for span in spans:
        covered[span] += 1
    assert covered[4:-4].std() / covered[4:-4].mean() < 0.1


@given(SPAN_SEED, st.integers(1, 30), st.integers(0, 100))
def test_a_span_lies_inside_and_leaves_a_place(seed: int, size: int, widest: int) -> None:
    span = random_span(size, widest, np.random.default_rng(seed))
    assert 0 <= span.start <= span.stop <= size
    assert span.stop - span.start <= min(widest, size - 1)


@pytest.mark.parametrize(("fill", "value"), [("mean", np.mean), ("zero", lambda _: 0.0), ("minimum", np.min)])
def test_the_fill_is_of_the_utterance_before_masking(fill: str, value: object) -> None:
    before = features()
    config = SpecConfig(fill=fill, time_masks=0, frequency_masks=3, frequency_width=9)
    after = augmented(config, before, 5)
    rows, _ = masked(before, after)
    assert rows
    np.testing.assert_allclose(after[rows], value(before.astype(np.float64)), rtol=1e-6)


def test_several_masks_are_several() -> None:
    before = features()
    config = SpecConfig(time_masks=8, time_width=5, frequency_masks=0)
    rows, frames = masked(before, augmented(config, before, 1))
    assert rows == []
    assert 5 < len(frames) <= 40


def test_a_waveform_has_no_row_to_spare() -> None:
    before = features(1, 1_000)
    after = augmented(SpecConfig(time_masks=0), before, 2)
    np.testing.assert_array_equal(after, before)


def test_no_masks_are_the_identity() -> None:
    before = features()
    for config in (SpecConfig(time_masks=0, frequency_masks=0), SpecConfig(time_width=0, frequency_width=0)):
        np.testing.assert_array_equal(augmented(config, before, 3), before)
