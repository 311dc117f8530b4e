"""EER and min t-DCF: closed forms, the official definition as a loop, scikit-learn, invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import roc_curve

from fsd_model.errors import InputError
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.metrics.t_dcf import AsvErrorRates, min_tdcf

# the organisers' ASV system on LA eval
ASV = AsvErrorRates(
    false_alarm=0.024605, miss=0.024581, spoof_miss=0.239348, threshold=-5.680051, eer=0.0245778
)
BONAFIDE = [2.1, 1.5, 0.3, -0.2, 3.0]
SPOOF = [-1.9, -0.5, 0.1, 0.9, -2.2, -0.1]

tied = st.lists(st.integers(-4, 4), min_size=1, max_size=30)
distinct = st.lists(st.integers(-500, 500), min_size=2, max_size=60, unique=True)


def official(bonafide: list[float], spoof: list[float]) -> tuple[float, float]:
    """Return EER and threshold as the challenge's package defines them, one sample at a time."""
    ranked = sorted([(s, 1) for s in bonafide] + [(s, 0) for s in spoof], key=lambda pair: pair[0])
    points = [(0.0, 1.0, ranked[0][0] - 0.001)]
    rejected, passed = 0, 0
    for score, label in ranked:
        rejected, passed = rejected + label, passed + 1 - label
        points.append((rejected / len(bonafide), (len(spoof) - passed) / len(spoof), score))
    frr, far, threshold = min(points, key=lambda point: abs(point[0] - point[1]))
    return (frr + far) / 2, threshold


def split(values: list[int], share: float) -> tuple[list[int], list[int]]:
    cut = min(max(1, round(share * len(values))), len(values) - 1)
    return values[:cut], values[cut:]


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0, 4.0])
def test_two_gaussians_have_the_closed_form(distance: float) -> None:
    grid = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    result = equal_error_rate(grid + distance, grid)
    assert result.rate == pytest.approx(norm.cdf(-distance / 2), abs=1e-5)
    assert result.threshold == pytest.approx(distance / 2, abs=1e-4)


def test_gaussians_of_other_sizes_and_widths() -> None:
    bonafide = norm.ppf((np.arange(3_000) + 0.5) / 3_000, loc=3, scale=2)
    spoof = norm.ppf((np.arange(90_000) + 0.5) / 90_000)
    assert equal_error_rate(bonafide, spoof).rate == pytest.approx(norm.cdf(-1), abs=2e-4)


def test_worked_examples_of_the_official_functions() -> None:
    result = equal_error_rate(BONAFIDE, SPOOF)
    assert (result.rate, result.threshold) == (pytest.approx(0.183333, abs=1e-6), 0.1)
    result = equal_error_rate([1, 1, 0], [1, 0, -1])
    assert (result.rate, result.threshold) == (pytest.approx(1 / 3), 0)
    assert min_tdcf(BONAFIDE, SPOOF, ASV) == pytest.approx(0.5, abs=1e-6)
    assert min_tdcf(BONAFIDE, SPOOF, ASV, "revised") == pytest.approx(0.5313665, abs=1e-6)


@given(values=distinct, share=st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_equals_the_official_definition_on_distinct_scores(values: list[int], share: float) -> None:
    bonafide, spoof = split(values, share)
    result = equal_error_rate(bonafide, spoof)
    assert (result.rate, result.threshold) == official(bonafide, spoof)


@given(bonafide=tied, spoof=tied)
@settings(max_examples=500, deadline=None)
def test_ties_within_one_class_change_nothing(bonafide: list[int], spoof: list[int]) -> None:
    spoof = [score + 0.5 for score in spoof]
    result = equal_error_rate(bonafide, spoof)
    assert (result.rate, result.threshold) == official(bonafide, spoof)


@given(bonafide=tied, spoof=tied)
@settings(max_examples=500, deadline=None)
def test_ties_across_classes_lie_on_the_line_of_the_roc(bonafide: list[int], spoof: list[int]) -> None:
    labels = [1] * len(bonafide) + [0] * len(spoof)
    far, hit, _ = roc_curve(labels, bonafide + spoof, drop_intermediate=False)
    interpolated = brentq(lambda x: 1 - x - interp1d(far, hit)(x), 0, 1)
    # elsewhere than in a tie the official rule does not interpolate: half a step of the coarser class
    step = max(1 / len(bonafide), 1 / len(spoof)) * max(map(bonafide.count, bonafide))
    threshold = equal_error_rate(bonafide, spoof).threshold
    if threshold in bonafide and threshold in spoof:
        below = np.array([np.mean(np.array(bonafide) < threshold), np.mean(np.array(spoof) >= threshold)])
        after = np.array([np.mean(np.array(bonafide) <= threshold), np.mean(np.array(spoof) > threshold)])
        assume(below[0] < below[1] and after[0] > after[1])  # the crossing lies inside the group
        assert equal_error_rate(bonafide, spoof).rate == pytest.approx(interpolated, abs=1e-9)
    else:
        assert equal_error_rate(bonafide, spoof).rate == pytest.approx(interpolated, abs=step)


def test_agrees_with_scikit_learn_on_random_scores() -> None:
    rng = np.random.default_rng(1)
    bonafide, spoof = rng.normal(1.5, 1, 4_000), rng.normal(0, 1.3, 9_000)
    far, hit, _ = roc_curve([1] * 4_000 + [0] * 9_000, np.r_[bonafide, spoof])
    interpolated = brentq(lambda x: 1 - x - interp1d(far, hit)(x), 0, 1)
    assert equal_error_rate(bonafide, spoof).rate == pytest.approx(interpolated, abs=1 / 4_000)


@pytest.mark.parametrize(("bonafide", "spoof"), [(1, 1), (3, 7), (500, 20)])
def test_constant_scores_give_one_half(bonafide: int, spoof: int) -> None:
    result = equal_error_rate([0.7] * bonafide, [0.7] * spoof)
    assert (result.rate, result.threshold) == (0.5, 0.7)
    assert min_tdcf([0.7] * bonafide, [0.7] * spoof, ASV) == pytest.approx(1)


def test_half_collapsed_scores_get_no_gift() -> None:
    # half of the bona fide scores equal all spoof scores: guessing there gives FRR = FAR = 1/3
    assert equal_error_rate([0, 0, 1, 1], [0] * 5).rate == pytest.approx(1 / 3)
    assert equal_error_rate([0] * 4, [0] * 3 + [-1]).rate == pytest.approx(3 / 7)


def test_perfect_separation_gives_zero_and_its_reverse_one() -> None:
    assert equal_error_rate([1, 2, 3], [-1, 0]).rate == 0
    assert equal_error_rate([1, 2, 3], [-1, 0]).threshold == 0
    assert equal_error_rate([-1, 0], [1, 2, 3]).rate == 1
    assert min_tdcf([1, 2, 3], [-1, 0], ASV) == 0


def test_a_perfect_countermeasure_leaves_the_cost_of_the_asv() -> None:
    assert min_tdcf([1, 2], [0], ASV, "revised") == pytest.approx(0.06273, abs=1e-5)


@given(bonafide=tied, spoof=tied)
@settings(max_examples=300, deadline=None)
def test_flipped_polarity_gives_one_minus_the_rate(bonafide: list[int], spoof: list[int]) -> None:
    rate = equal_error_rate(bonafide, spoof).rate
    flipped = equal_error_rate([-score for score in bonafide], [-score for score in spoof]).rate
    # two points equally near to FRR = FAR differ by half a step; the first one is taken
    assert flipped == pytest.approx(1 - rate, abs=0.5 * max(1 / len(bonafide), 1 / len(spoof)) + 1e-12)


@given(bonafide=tied, spoof=tied, data=st.data())
@settings(max_examples=200, deadline=None)
def test_only_the_order_of_scores_matters(bonafide: list[int], spoof: list[int], data: st.DataObject) -> None:
    transform = data.draw(st.sampled_from([math.exp, math.atan, lambda x: x**3 + 1, lambda x: 1e9 * x]))
    moved = [transform(score) for score in bonafide], [transform(score) for score in spoof]
    result, after = equal_error_rate(bonafide, spoof), equal_error_rate(*moved)
    assert after.rate == result.rate
    assert after.threshold == transform(result.threshold)
    for form in ("legacy", "revised"):
        assert min_tdcf(*moved, ASV, form) == min_tdcf(bonafide, spoof, ASV, form)
    shuffled = data.draw(st.permutations(bonafide)), data.draw(st.permutations(spoof))
    assert equal_error_rate(*shuffled) == result


@given(bonafide=tied, spoof=tied)
@settings(max_examples=300, deadline=None)
def test_min_tdcf_is_the_minimum_over_all_thresholds(bonafide: list[int], spoof: list[int]) -> None:
    alone = 0.9405 * ASV.miss + 0.0095 * 10 * ASV.false_alarm
    c1, c2 = 0.9405 - alone, 0.05 * 10 * (1 - ASV.spoof_miss)
    legacy, revised = [], []
    for threshold in range(-6, 7):
        miss = sum(score <= threshold for score in bonafide) / len(bonafide)
        false_alarm = sum(score > threshold for score in spoof) / len(spoof)
        legacy.append((c1 * miss + c2 * false_alarm) / min(c1, c2))
        revised.append((alone + c1 * miss + c2 * false_alarm) / (alone + min(c1, c2)))
    assert min_tdcf(bonafide, spoof, ASV) == pytest.approx(min(legacy))
    assert min_tdcf(bonafide, spoof, ASV, "revised") == pytest.approx(min(revised))


def test_weights_of_the_official_asv_system() -> None:
    # legacy t-DCF(s) = 2.40595 Pmiss + Pfa with this ASV; first only false alarms, then only misses
    assert min_tdcf([2] * 10, [3] + [1] * 999, ASV) == pytest.approx(0.001, abs=1e-9)
    assert min_tdcf([1] * 9 + [-1], [0] * 5, ASV) == pytest.approx(0.240595, abs=1e-5)


def test_asv_error_rates_are_taken_at_the_equal_error_threshold() -> None:
    asv = AsvErrorRates.from_scores([1, 2, 3, 4], [-1, 0, 1.5, 2.5], [0.2, 2.5, 9, 1.5, 1.4])
    assert (asv.eer, asv.threshold) == (0.25, 1.5)
    # scores at the threshold are accepted: the non-target and the spoof of 1.5
    assert (asv.miss, asv.false_alarm, asv.spoof_miss) == (0.25, 0.5, 0.4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_must_be_finite(bad: float) -> None:
    with pytest.raises(InputError, match="bona fide scores must be finite, got 2 NaN or inf of 3"):
        equal_error_rate([bad, 0.0, bad], [0.0])
    with pytest.raises(InputError, match="spoof scores must be finite, got 1 NaN or inf of 2"):
        min_tdcf([0.0], [1.0, bad], ASV)
    with pytest.raises(ValueError, match="non-target scores must be finite"):
        AsvErrorRates.from_scores([1.0], [bad], [0.0])


def test_classes_must_not_be_empty() -> None:
    with pytest.raises(InputError, match="bona fide scores must be at least one"):
        equal_error_rate([], [0.0])
    with pytest.raises(InputError, match="spoof scores must be at least one"):
        equal_error_rate([0.0], [])
    with pytest.raises(InputError, match=r"target scores must be at least one, got shape \(1, 2\)"):
        AsvErrorRates.from_scores([[1.0, 2.0]], [0.0], [0.0])


def test_an_asv_that_leaves_nothing_to_save_is_refused() -> None:
    deaf = AsvErrorRates(false_alarm=0.02, miss=0.02, spoof_miss=1.0, threshold=0, eer=0.02)
    poor = AsvErrorRates(false_alarm=1.0, miss=0.95, spoof_miss=0.2, threshold=0, eer=0.97)
    for asv in (deaf, poor):
        with pytest.raises(InputError, match="positive weights"):
            min_tdcf([1], [0], asv)
    with pytest.raises(InputError, match="legacy or revised, got `2019`"):
        min_tdcf([1], [0], ASV, "2019")
