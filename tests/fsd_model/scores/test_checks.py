"""Warnings about collapsed, hardly distinct and flipped scores."""

from __future__ import annotations

import numpy as np
import pytest

from fsd_model.scores.checks import score_warnings
from fsd_model.scores.score_file import Scores


def scores_of(values: np.ndarray) -> Scores:
    """Return scores, the first half bona fide."""
    labels = (np.arange(len(values)) < len(values) // 2).astype(int)
    attacks = ["-" if label else "A01" for label in labels]
    return Scores([str(place) for place in range(len(values))], attacks, labels, values)


def test_good_scores_are_not_odd() -> None:
    assert score_warnings(scores_of(-np.arange(40.0))) == []


def test_collapse_is_reported() -> None:
    assert score_warnings(scores_of(np.full(40, 0.25))) == ["all scores are 0.25: the detector has collapsed"]


@pytest.mark.parametrize(("distinct", "said"), [(4, True), (5, False)])
def test_few_distinct_scores_are_reported(distinct: int, said: bool) -> None:
    found = score_warnings(scores_of(-(np.arange(40) * distinct // 40).astype(float)))
    assert found == (
        [f"only {distinct} distinct scores for 40 utterances: the metrics depend on ties"] * said
    )


def test_flipped_polarity_is_reported() -> None:
    (found,) = score_warnings(scores_of(np.arange(40.0)))
    assert found.startswith("EER 100.00 % is above 50 %: scores look flipped")
