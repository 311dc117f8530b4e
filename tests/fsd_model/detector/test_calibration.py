"""Calibration: closed form, an independent solver, invariance, separable data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from fsd_model.detector.calibration import Calibration, fit_calibration
from fsd_model.errors import InputError
from fsd_model.metrics.llr_cost import cllr

Floats = NDArray[np.float64]


def gaussians(distance: float, bonafide: int, spoof: int, seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(distance, 1, bonafide), rng.normal(0, 1, spoof)


@pytest.mark.parametrize("distance", [0.5, 1.5, 3.0])
def test_two_gaussians_have_the_ratio_of_their_densities(distance: float) -> None:
    """Check log N(s; d, 1) - log N(s; 0, 1) = d s - d^2 / 2, whatever the share of the classes."""
    found = fit_calibration(*gaussians(distance, 200_000, 20_000))
    assert found.slope == pytest.approx(distance, rel=0.03)
    assert found.offset == pytest.approx(-(distance**2) / 2, rel=0.03, abs=0.02)


@pytest.mark.parametrize("counts", [(40, 360), (200, 50), (3, 4)])
def test_it_is_the_balanced_logistic_regression_with_the_targets_of_platt(counts: tuple[int, int]) -> None:
    bonafide, spoof = gaussians(1.0, *counts)
    scores_N = np.concatenate([bonafide, spoof])
    share_N = np.repeat([(counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2)], counts)
    weight_N = np.repeat([1 / counts[0], 1 / counts[1]], counts)
    reference = LogisticRegression(C=1e12, tol=1e-10, max_iter=10_000).fit(
        np.tile(scores_N, 2)[:, None],
        np.repeat([1, 0], len(scores_N)),
        np.concatenate([weight_N * share_N, weight_N * (1 - share_N)]) * 1000,
    )
    found = fit_calibration(bonafide, spoof)
    assert found.slope == pytest.approx(reference.coef_[0, 0], rel=1e-4)
    assert found.offset == pytest.approx(reference.intercept_[0], rel=1e-4, abs=1e-4)
    assert (found.bonafide, found.spoof, found.fitted_on) == (*counts, "dev")


@given(
    scale=st.floats(1e-4, 1e4), shift=st.floats(-1e3, 1e3), distance=st.floats(0.2, 3), seed=st.integers(0, 9)
)
@settings(max_examples=40, deadline=None)
def test_the_ratios_do_not_depend_on_the_unit_of_the_scores(
    scale: float, shift: float, distance: float, seed: int
) -> None:
    bonafide, spoof = gaussians(distance, 30, 50, seed)
    plain = fit_calibration(bonafide, spoof)
    moved = fit_calibration(scale * bonafide + scale * shift, scale * spoof + scale * shift)
    for score in (-2.0, 0.3, 4.0):
        assert moved.llr(scale * (score + shift)) == pytest.approx(plain.llr(score), abs=1e-3)


@pytest.mark.parametrize("scale", [0.02, 1.0, 50.0])
def test_ratios_are_worth_more_than_scores(scale: float) -> None:
    bonafide, spoof = (scale * part + 3 for part in gaussians(1.5, 300, 900))
    found = fit_calibration(bonafide, spoof)
    after = cllr(*(found.slope * part + found.offset for part in (bonafide, spoof)))
    assert after < cllr(bonafide, spoof)
    assert after < 1


def test_separable_scores_stay_finite_and_claim_no_more_than_was_seen() -> None:
    bonafide, spoof = np.linspace(1, 2, 100), np.linspace(-2, -1, 50)
    found = fit_calibration(bonafide, spoof)
    ratios = [found.llr(float(score)) for score in (*bonafide, *spoof)]
    assert math.log(10) < np.mean(ratios[:100]) < math.log(200)
    assert -math.log(100) < np.mean(ratios[100:]) < -math.log(5)


@pytest.mark.parametrize(
    ("bonafide", "spoof"),
    [
        (np.arange(5.0) - 9, np.arange(9.0)),
        (np.ones(5), np.ones(7)),
        (np.zeros(3), np.array([-1.0, 0.0, 1.0])),
    ],
    ids=["turned round", "constant", "no order"],
)
def test_scores_without_evidence_have_the_ratio_one(bonafide: Floats, spoof: Floats) -> None:
    found = fit_calibration(bonafide, spoof)
    assert found.llr(7.0) == pytest.approx(0, abs=1e-6)
    assert found.slope == pytest.approx(0, abs=1e-6)


def test_the_score_of_a_ratio_is_the_way_back() -> None:
    found = Calibration(slope=2.0, offset=-1.0, bonafide=1, spoof=1)
    assert found.score(found.llr(0.3)) == pytest.approx(0.3)
    flat = found.model_copy(update={"slope": 0.0})
    assert (flat.score(-2.0), flat.score(2.0)) == (-math.inf, math.inf)


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(InputError, match="spoof scores must be finite, got 1 NaN"):
        fit_calibration(np.ones(2), np.array([1.0, math.nan]))
    with pytest.raises(InputError, match="bona fide scores must be at least one"):
        fit_calibration(np.array([]), np.ones(2))
    for value in (math.nan, math.inf):
        with pytest.raises(InputError, match="score must be finite"):
            Calibration(slope=1.0, offset=0.0, bonafide=1, spoof=1).llr(value)
