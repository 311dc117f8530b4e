"""Calibration of a detector's score to a log-likelihood ratio, llr = slope * score + offset.

A logistic regression with equal weight of both classes, so that the offset contains no prior and the result
is the ratio p(score | bona fide) / p(score | spoof). It is fitted on dev, which also selected the epoch, so
it is optimistic on unseen speech.

Where dev is separable the likelihood has no maximum (slope to infinity). The targets are therefore those of
Platt, (n + 1) / (n + 2) and 1 / (n + 2) for n utterances of a class instead of 1 and 0: n utterances cannot
show odds of more than about n to 1, and the fit stays finite. With many utterances the effect vanishes.
Unlike a ridge penalty it does not depend on the scale of scores.

The slope is at least 0. A detector with flipped polarity gets 0: its scores carry no evidence and are never
negated.

Source: Brümmer and du Preez (2006) for the prior-weighted objective; Platt (1999) and Lin, Lin and Weng
(2007) for the targets.

Shapes: N scores of both classes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fsd_model.errors import InputError
from fsd_model.metrics.sorted_scores import Floats, checked_scores
from fsd_model.settings import Settings


class Calibration(Settings):
    """llr = slope * score + offset, natural logarithm; above 0 supports bona fide speech.

    Attributes:
        slope: at least 0, so that the order of scores stays; 0 if they carried no evidence on dev.
        offset: offset without a prior.
        fitted_on: the split.
        bonafide, spoof: number of utterances of each class in the fit.
    """

    slope: float = Field(ge=0)
    offset: float
    fitted_on: Literal["dev"] = "dev"
    bonafide: int = Field(ge=1)
    spoof: int = Field(ge=1)

    def llr(self, score: float) -> float:
        """Return the log-likelihood ratio of a score.

        Raises:
            InputError: a score that is NaN or infinite.
        """
        if not np.isfinite(score):
            raise InputError(f"score must be finite, got {score}; the detector or the recording is damaged")
        return self.slope * score + self.offset

    def score(self, llr: float) -> float:
        """Return the score with this ratio; -inf or inf if the slope is 0, as every score is above
        or below.
        """
        if self.slope == 0:
            return -np.inf if self.offset >= llr else np.inf
        return (llr - self.offset) / self.slope


def fit_calibration(bonafide: NDArray[np.floating], spoof: NDArray[np.floating]) -> Calibration:
    """Fit a calibration on the scores of dev.

    Args:
        bonafide: scores of bona fide speech.
        spoof: scores of spoofed speech.

    Raises:
        InputError: a class is empty or holds NaN or inf.
    """
    bonafide_N, spoof_N = checked_scores(bonafide, "bona fide"), checked_scores(spoof, "spoof")
    scores_N = np.concatenate([bonafide_N, spoof_N])
    centre, scale = float(scores_N.mean()), float(scores_N.std())
    slope, offset = 0.0, 0.0
    if scale > 0:
        slope, offset = _fit((bonafide_N - centre) / scale, (spoof_N - centre) / scale)
        slope, offset = (slope / scale, offset - slope * centre / scale) if slope > 0 else (0.0, 0.0)
    return Calibration(slope=slope, offset=offset, bonafide=len(bonafide_N), spoof=len(spoof_N))


def _fit(bonafide_N: Floats, spoof_N: Floats) -> tuple[float, float]:
    from scipy.optimize import minimize

    places_N = np.concatenate([bonafide_N, spoof_N])
    positive, negative = len(bonafide_N), len(spoof_N)
    target_N = np.repeat([(positive + 1) / (positive + 2), 1 / (negative + 2)], [positive, negative])
    weight_N = np.repeat([0.5 / positive, 0.5 / negative], [positive, negative])

    def loss(fit: Floats) -> tuple[float, Floats]:
        llr_N = fit[0] * places_N + fit[1]
        value = weight_N @ (np.logaddexp(0, llr_N) - target_N * llr_N)
        residual_N = weight_N * (0.5 * (1 + np.tanh(llr_N / 2)) - target_N)
        return float(value), np.array([residual_N @ places_N, residual_N.sum()])

    # BFGS: L-BFGS-B wakes every thread of the linear algebra for two unknowns, 15 ms each time
    fit = minimize(loss, [1.0, 0.0], jac=True, method="BFGS", options={"gtol": 1e-9})
    return float(fit.x[0]), float(fit.x[1])
