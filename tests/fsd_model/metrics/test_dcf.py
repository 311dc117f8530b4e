"""minDCF, actDCF, Cllr and a-DCF: closed forms, the official packages' loop, scikit-learn, invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.metrics import roc_curve

from fsd_model.errors import InputError
from fsd_model.metrics.agnostic_dcf import ASVSPOOF5_COSTS, AgnosticCosts, a_dcf
from fsd_model.metrics.dcf import actual_dcf, min_dcf
from fsd_model.metrics.llr_cost import cllr

BONAFIDE = [2.1, 1.5, 0.3, -0.2, 3.0]
SPOOF = [-1.9, -0.5, 0.1, 0.9, -2.2, -0.1]
TRIALS = ([2, 1, 0.5, 3], [-1, 0.2, -0.4], [0.8, -0.6, -2, 1.2])
BAYES = -math.log(1.9)

tied = st.lists(st.integers(-4, 4), min_size=1, max_size=30)


def walked(weights: list[float], classes: list[list[float]]) -> float:
    """Return the official packages' minimum: one sample at a time, the first class counted first among equal
    scores.

    A rejected sample of the first class adds its weight, one of the other class subtracts its own.
    """
    ranked = sorted(
        ((score, place) for place, scores in enumerate(classes) for score in scores), key=lambda pair: pair[0]
    )
    rejected = [0] * len(classes)
    costs = [sum(weights[1:])]
    for _, place in ranked:
        rejected[place] += 1
        share = [count / len(scores) for count, scores in zip(rejected, classes, strict=True)]
        kept = sum(w * (1 - r) for w, r in zip(weights[1:], share[1:], strict=True))
        costs.append(weights[0] * share[0] + kept)
    return min(costs) / min(weights[0], sum(weights[1:]))


def calibrated(distance: float, count: int = 100_000) -> tuple[np.ndarray, np.ndarray]:
    """Return log-likelihood ratios of two unit Gaussians `distance` apart, N(+-d^2/2, d^2), on a grid."""
    grid = distance * norm.ppf((np.arange(count) + 0.5) / count)
    return grid + distance**2 / 2, grid - distance**2 / 2


def test_worked_examples_of_the_official_functions() -> None:
    assert min_dcf(BONAFIDE, SPOOF) == pytest.approx(0.5)
    assert actual_dcf(BONAFIDE, SPOOF) == pytest.approx(0.6666667, abs=1e-7)
    assert cllr(BONAFIDE, SPOOF) == pytest.approx(0.6504284, abs=1e-7)
    assert min_dcf([1, 1, 0], [1, 0, -1]) == pytest.approx(0.6666667, abs=1e-7)
    assert cllr([1, 1, 0], [1, 0, -1]) == pytest.approx(0.8750766, abs=1e-7)
    assert a_dcf(*TRIALS) == pytest.approx(0.5)
    assert a_dcf(*TRIALS, ASVSPOOF5_COSTS) == pytest.approx(0.4201681, abs=1e-7)


@pytest.mark.parametrize("distance", [1.0, 2.0, 4.0])
def test_calibrated_gaussians_have_closed_forms(distance: float) -> None:
    bonafide, spoof = calibrated(distance)
    miss = norm.cdf((BAYES - distance**2 / 2) / distance)
    false_alarm = norm.sf((BAYES + distance**2 / 2) / distance)
    assert min_dcf(bonafide, spoof) == pytest.approx(1.9 * miss + false_alarm, abs=2e-5)
    assert actual_dcf(bonafide, spoof) == pytest.approx(1.9 * miss + false_alarm, abs=2e-5)


@pytest.mark.parametrize("distance", [0.5, 2.0, 5.0])
def test_cllr_of_calibrated_gaussians_is_the_integral(distance: float) -> None:
    def integrand(score: float) -> float:
        return norm.pdf(score, distance**2 / 2, distance) * np.logaddexp(0, -score) / math.log(2)

    centre = distance**2 / 2
    expected, _ = quad(integrand, centre - 12 * distance, centre + 12 * distance, points=[0, centre])
    assert cllr(*calibrated(distance)) == pytest.approx(expected, abs=2e-5)


@given(bonafide=tied, spoof=tied, prior=st.floats(0.01, 0.99), costs=st.tuples(*[st.floats(0.1, 50)] * 2))
@settings(max_examples=300, deadline=None)
def test_min_dcf_equals_the_walk_with_ties_too(
    bonafide: list[int], spoof: list[int], prior: float, costs: tuple[float, float]
) -> None:
    expected = walked([costs[0] * (1 - prior), costs[1] * prior], [bonafide, spoof])
    result = min_dcf(bonafide, spoof, prior_spoof=prior, c_miss=costs[0], c_fa=costs[1])
    assert result == pytest.approx(expected, abs=1e-12)


@given(target=tied, nontarget=tied, spoof=tied)
@settings(max_examples=300, deadline=None)
def test_a_dcf_equals_the_walk_with_ties_too(
    target: list[int], nontarget: list[int], spoof: list[int]
) -> None:
    classes = [target, nontarget, spoof]
    assert a_dcf(*classes) == pytest.approx(walked([0.9, 0.5, 1.0], classes), abs=1e-12)
    expected = walked([0.9405, 0.095, 0.5], classes)
    assert a_dcf(*classes, ASVSPOOF5_COSTS) == pytest.approx(expected, abs=1e-12)


@given(target=tied, other=tied)
@settings(max_examples=100, deadline=None)
def test_a_dcf_of_impostors_that_score_as_spoofs_is_a_min_dcf(target: list[int], other: list[int]) -> None:
    # one class of 0.1 with the mean of the two costs
    expected = min_dcf(target, other, prior_spoof=0.1, c_miss=1, c_fa=15)
    assert a_dcf(target, other, other) == pytest.approx(expected, abs=1e-12)


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    bonafide, spoof = rng.normal(1.5, 1, 3_000).round(1), rng.normal(0, 1.3, 7_000).round(1)
    far, hit, _ = roc_curve([1] * 3_000 + [0] * 7_000, np.r_[bonafide, spoof], drop_intermediate=False)
    assert min_dcf(bonafide, spoof) == pytest.approx((1.9 * (1 - hit) + far).min(), abs=1e-12)


@given(bonafide=tied, spoof=tied)
@settings(max_examples=200, deadline=None)
def test_only_min_dcf_is_blind_to_the_scale_of_scores(bonafide: list[int], spoof: list[int]) -> None:
    moved = [math.exp(score) for score in bonafide], [math.exp(score) for score in spoof]
    assert min_dcf(*moved) == min_dcf(bonafide, spoof)
    assert min_dcf(bonafide, spoof) <= actual_dcf(bonafide, spoof) + 1e-12
    assert actual_dcf(*moved) == pytest.approx(1)  # all above the threshold: every spoof is accepted


@given(bonafide=tied, spoof=tied)
@settings(max_examples=200, deadline=None)
def test_actual_dcf_counts_what_lies_on_either_side(bonafide: list[int], spoof: list[int]) -> None:
    for shift in (0.0, BAYES):  # with the second, integers fall on the threshold itself
        miss = sum(score + shift < BAYES for score in bonafide) / len(bonafide)
        false_alarm = sum(score + shift >= BAYES for score in spoof) / len(spoof)
        result = actual_dcf([x + shift for x in bonafide], [x + shift for x in spoof])
        assert result == pytest.approx(1.9 * miss + false_alarm, abs=1e-12)


@given(bonafide=tied, spoof=tied, shift=st.floats(0.1, 5))
@settings(max_examples=200, deadline=None)
def test_cllr_grows_when_spoofs_score_higher(bonafide: list[int], spoof: list[int], shift: float) -> None:
    assert cllr(bonafide, [score + shift for score in spoof]) > cllr(bonafide, spoof)
    mirrored = cllr([-score for score in spoof], [-score for score in bonafide])
    assert mirrored == pytest.approx(cllr(bonafide, spoof), abs=1e-12)


def test_constant_scores_are_worth_nothing() -> None:
    assert min_dcf([0.0] * 5, [0.0] * 9) == pytest.approx(1)
    assert actual_dcf([0.0] * 5, [0.0] * 9) == pytest.approx(1)  # all accepted
    assert actual_dcf([-9.0] * 5, [-9.0] * 9) == pytest.approx(1.9)  # all refused
    assert cllr([0.0] * 5, [0.0] * 9) == pytest.approx(1)
    assert a_dcf([0.0], [0.0], [0.0]) == pytest.approx(1)


def test_perfect_separation_costs_nothing() -> None:
    assert min_dcf([1, 2], [0, -1]) == 0
    assert actual_dcf([1, 2], [-1, -2]) == 0
    assert cllr([800.0], [-800.0]) == 0
    assert a_dcf([2, 3], [0], [-1, 1]) == 0


def test_cllr_of_huge_wrong_scores_is_finite() -> None:
    assert cllr([-1e4], [1e4]) == pytest.approx(1e4 / math.log(2))
    assert cllr([-1e300, 5], [0]) == pytest.approx(1e300 / 4 / math.log(2))


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, math.nan])
def test_priors_lie_between_zero_and_one(prior: float) -> None:
    for metric in (min_dcf, actual_dcf):
        with pytest.raises(InputError, match=f"prior_spoof must lie between 0 and 1, got {prior}"):
            metric([1.0], [0.0], prior_spoof=prior)
    with pytest.raises(InputError, match="prior_nontarget must lie between 0 and 1"):
        AgnosticCosts(prior_nontarget=prior)


@pytest.mark.parametrize("cost", [0.0, -1.0, math.nan, math.inf])
def test_costs_are_positive(cost: float) -> None:
    for metric in (min_dcf, actual_dcf):
        with pytest.raises(InputError, match="c_miss must be a positive"):
            metric([1.0], [0.0], c_miss=cost)
        with pytest.raises(InputError, match="c_fa must be a positive"):
            metric([1.0], [0.0], c_fa=cost)
    with pytest.raises(InputError, match="cost_false_alarm_spoof must be a positive"):
        AgnosticCosts(cost_false_alarm_spoof=cost)


def test_priors_of_a_dcf_sum_to_one() -> None:
    with pytest.raises(InputError, match=r"must sum to 1, got 1\.05"):
        AgnosticCosts(prior_target=0.95)


@pytest.mark.parametrize("metric", [min_dcf, actual_dcf, cllr, lambda b, s: a_dcf(b, s, s)])
def test_scores_are_finite_and_of_both_classes(metric) -> None:
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(InputError, match="must be finite, got 1 NaN or inf of 2"):
            metric([1.0, 2.0], [0.0, bad])
    with pytest.raises(InputError, match="must be at least one"):
        metric([], [0.0])
    with pytest.raises(InputError, match="must be at least one"):
        metric([1.0], [])
