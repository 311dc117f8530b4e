"""The exits of a trained network that a detector uses, and how their scores are combined.

deepest: the whole network and its last exit, as published. exit: the network up to one exit. ensemble: the
mean of several exits in one pass. early: an utterance leaves at the first confident exit.

Scores of exits have different scales: they grow with the norm of the pooled feature, and a deep exit has more
channels than a shallow one. So scores are calibrated to log-likelihood ratios before they are combined, by
two numbers per exit fitted on dev (`calibration`). The mean needs no weights, which would be fitted on the
dev set that selected the epoch.

Shapes: N utterances, E exits of the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fsd_model.detector.calibration import Calibration, fit_calibration
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.networks.multi_exit import Cuts
from fsd_model.settings import Settings

Use = Literal["deepest", "exit", "ensemble", "early"]
Scores = NDArray[np.floating]


class ExitPlan(Settings):
    """The exits that a detector keeps; its network ends at the last of them.

    Attributes:
        places: places of the exits, numbered as cuts; the number of blocks is the deepest exit. Empty for the
            deepest exit only.
        calibrations: calibration per place; empty if a single exit decides.
        confidence: an utterance leaves at the first exit with |log-likelihood ratio| >= confidence, and at
            the last one otherwise; None for the mean of all.
    """

    places: Annotated[Cuts, Field(strict=False)] = ()
    calibrations: Annotated[tuple[Calibration, ...], Field(strict=False)] = ()
    confidence: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if any(place < 1 for place in self.places) or any(a >= b for a, b in pairwise(self.places)):
            raise ValueError(f"places must be blocks in increasing order, got {list(self.places)}")
        several = len(self.places) > 1
        if len(self.calibrations) != (len(self.places) if several else 0):
            count = len(self.calibrations)
            raise ValueError(f"several exits need a calibration each, one needs none, got {count}")
        if self.confidence is not None and not several:
            raise ValueError("confidence needs several exits, got one")
        return self

    @property
    def use(self) -> Use:
        """How the exits are used: deepest, exit, ensemble or early."""
        if len(self.places) > 1:
            return "ensemble" if self.confidence is None else "early"
        return "exit" if self.places else "deepest"

    def scores(self, scores_NE: Scores) -> Scores:
        """Return the detector's scores (N,) for scores of its exits, shallowest first."""
        if self.use in ("deepest", "exit"):
            return scores_NE[:, -1]
        llr_NE = log_likelihood_ratios(self.calibrations, scores_NE)
        if self.confidence is None:
            return _mean(llr_NE)
        return early_scores(llr_NE, self.confidence)[0]


def fit_calibrations(scores_NE: Scores, labels_N: NDArray[np.integer]) -> tuple[Calibration, ...]:
    """Fit a calibration for each exit on its dev scores.

    Raises:
        InputError: a class is missing, or a score is not finite.
    """
    bonafide_N, spoof_N = labels_N == BONAFIDE, labels_N == SPOOF
    return tuple(fit_calibration(scores_N[bonafide_N], scores_N[spoof_N]) for scores_N in scores_NE.T)


def log_likelihood_ratios(calibrations: Sequence[Calibration], scores_NE: Scores) -> NDArray[np.float64]:
    """Return calibrated scores of exits, (N, E), natural logarithm."""
    slopes_E = np.array([each.slope for each in calibrations])
    offsets_E = np.array([each.offset for each in calibrations])
    llr_NE: NDArray[np.float64] = scores_NE.astype(np.float64) * slopes_E + offsets_E
    return llr_NE


def ensemble_scores(scores_NE: Scores, labels_N: NDArray[np.integer]) -> Scores:
    """Return the mean (N,) of exits calibrated on the same utterances; for a single exit its raw scores."""
    if scores_NE.shape[1] == 1:
        return scores_NE[:, 0]
    return _mean(log_likelihood_ratios(fit_calibrations(scores_NE, labels_N), scores_NE))


def early_scores(llr_NE: NDArray[np.float64], confidence: float) -> tuple[Scores, NDArray[np.intp]]:
    """Return exit and score of each utterance.

    Args:
        llr_NE: log-likelihood ratios, shallowest exit first.
        confidence: from 0, where all leave at the first exit, to infinity, where none leaves before the last.

    Returns:
        Scores (N,) and exits (N,), counted from 0.
    """
    sure_NE = np.abs(llr_NE) >= confidence
    sure_NE[:, -1] = True
    taken_N = sure_NE.argmax(axis=1)
    return llr_NE[np.arange(len(llr_NE)), taken_N], taken_N


def _mean(llr_NE: NDArray[np.float64]) -> Scores:
    mean_N: Scores = llr_NE.mean(axis=1)
    return mean_N
