"""Counting repeated scores equals repeating them, for every metric."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd_model.metrics.dcf import actual_dcf, actual_dcf_of, min_dcf, min_dcf_of
from fsd_model.metrics.eer import equal_error_of, equal_error_rate
from fsd_model.metrics.llr_cost import cllr, cllr_of
from fsd_model.metrics.sorted_scores import Ranking, rank, rank_classes
from fsd_model.metrics.t_dcf import AsvErrorRates, min_tdcf, min_tdcf_of

ASV = AsvErrorRates(
    false_alarm=0.024605, miss=0.024581, spoof_miss=0.239348, threshold=-5.680051, eer=0.0245778
)

rows = st.lists(
    st.tuples(st.integers(-6, 6), st.booleans(), st.integers(0, 4)), min_size=2, max_size=40
).filter(lambda drawn: {positive for _, positive, count in drawn if count} == {True, False})
Arrays = Callable[[np.ndarray, np.ndarray], float]


def counted(drawn: list[tuple[int, bool, int]], shift: float) -> tuple[Ranking, np.ndarray, np.ndarray]:
    """Return a ranking with counts, and the repeated bona fide and spoof scores. `shift` moves spoofs off
    ties.
    """
    scores, positive, counts = (np.array(column) for column in zip(*drawn, strict=True))
    scores = scores - shift * ~positive
    ranking = rank(scores, positive).recounted(counts)
    return (
        ranking,
        np.repeat(scores[positive], counts[positive]),
        np.repeat(scores[~positive], counts[~positive]),
    )


@given(drawn=rows, shift=st.sampled_from([0.0, 0.5]))
@settings(max_examples=500, deadline=None)
def test_a_counted_equal_error_rate_is_that_of_repeated_scores(
    drawn: list[tuple[int, bool, int]], shift: float
) -> None:
    ranking, bonafide, spoof = counted(drawn, shift)
    assert equal_error_of(ranking) == equal_error_rate(bonafide, spoof)


@pytest.mark.parametrize(
    ("of_ranking", "of_arrays"),
    [
        (min_dcf_of, min_dcf),
        (actual_dcf_of, actual_dcf),
        (cllr_of, cllr),
        (lambda ranking: min_tdcf_of(ranking, ASV), lambda b, s: min_tdcf(b, s, ASV)),
        (lambda ranking: min_tdcf_of(ranking, ASV, "revised"), lambda b, s: min_tdcf(b, s, ASV, "revised")),
    ],
)
@given(drawn=rows)
@settings(max_examples=150, deadline=None)
def test_a_counted_cost_is_that_of_repeated_scores(
    of_ranking: Callable[[Ranking], float], of_arrays: Arrays, drawn: list[tuple[int, bool, int]]
) -> None:
    ranking, bonafide, spoof = counted(drawn, 0.0)
    assert of_ranking(ranking) == pytest.approx(of_arrays(bonafide, spoof), abs=1e-12)


def test_operating_points_are_the_thresholds_between_distinct_scores() -> None:
    points = rank_classes([1, 1, 0], [1, 0, -1]).points
    np.testing.assert_allclose(points.frr_P, [0, 0, 1 / 3, 1])
    np.testing.assert_allclose(points.far_P, [1, 2 / 3, 1 / 3, 0])


@given(scores=st.lists(st.sampled_from([-1.5, -0.0, 0.0, 0.25, 1e-300, 7.0]), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_equal_scores_keep_the_order_in_which_they_were_given(scores: list[float]) -> None:
    scores_N = np.array(scores)
    ranking = rank(scores_N, scores_N > 0)
    np.testing.assert_array_equal(ranking.order_N, np.argsort(scores_N, kind="stable"))
    np.testing.assert_array_equal(ranking.scores_N, np.sort(scores_N))
    assert len(ranking.ends_G) == len(set(scores))
