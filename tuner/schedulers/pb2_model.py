"""What settings gain at a time of training, by a time-varying Gaussian process, and which promise most.

Searcher: Bogunovic et al. 2016, "Time-Varying Gaussian Process PB2 Optimization", for the kernel k((t, x),
(t', x')) = k(x, x') (1 - e)^(|t - t'| / 2), whose second factor is the Matern kernel with nu = 1/2; Desautels
et al. 2014 (GP-BUCB) for settings that are being tried: they lower the variance, not the mean.

Shapes: N gains known, D numbers in the unit cube, C candidates.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel

NEWEST = 200  # older gains say little, and the cost grows with the cube
CANDIDATES = 1000

Floats = NDArray[np.float64]
Setting = tuple[float, Floats]  # time in intervals, numbers in the unit cube


class _OverSettings(RBF):  # type: ignore[misc]
    """RBF of every column but the first."""

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Any:
        return super().__call__(X[:, 1:], None if Y is None else Y[:, 1:], eval_gradient)


class _OverTime(Matern):  # type: ignore[misc]
    """Matern kernel of the first column."""

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Any:
        return super().__call__(X[:, :1], None if Y is None else Y[:, :1], eval_gradient)


class GainModel:
    """What was gained, when (in intervals) and with which settings (in the unit cube)."""

    def __init__(self) -> None:
        self._rows: list[Floats] = []
        self._gains: list[float] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, time: float, settings_D: Floats, gain: float) -> None:
        """One gain; higher is better."""
        self._rows.append(np.concatenate([[time], settings_D]))
        self._gains.append(gain)

    def newest(self) -> tuple[Floats, Floats]:
        """Rows (N, 1 + D) of time and settings, and their gains (N) with mean 0 and deviation 1."""
        gains_N = np.array(self._gains[-NEWEST:])
        return np.array(self._rows[-NEWEST:]), (gains_N - gains_N.mean()) / (gains_N.std() or 1.0)


def most_promising(
    gains: GainModel, trying: Sequence[Setting], time: float, near_D: Floats, rng: np.random.Generator
) -> Floats:
    """The settings with the highest upper confidence bound of the gain.

    Args:
        gains: what is known, at least one.
        trying: time and settings of each trial whose gain is not yet known.
        time: for which settings are wanted, in intervals.
        near_D: a candidate beside random ones.
        rng: draws those.
    Returns:
        D numbers, 0 to 1.
    """
    rows_N, gains_N = gains.newest()
    model = _fitted(rows_N, gains_N)
    candidates_C = np.vstack([near_D, rng.random((CANDIDATES, len(near_D)))])
    at_C = np.column_stack([np.full(len(candidates_C), time), candidates_C])
    if trying:
        rows = np.array([np.concatenate([[then], settings]) for then, settings in trying])
        model.fit(np.vstack([rows_N, rows]), np.concatenate([gains_N, model.predict(rows)]))
    mean_C, deviation_C = model.predict(at_C, return_std=True)
    beta = 0.2 + max(0.0, math.log(0.4 * len(gains_N)))  # as in the authors' code
    best: Floats = candidates_C[int(np.argmax(mean_C + math.sqrt(beta) * deviation_C))]
    return best


def _fitted(rows_N: Floats, gains_N: Floats) -> GaussianProcessRegressor:
    """A process with the kernel that fits the gains best; its noise is no part of what it predicts."""
    smooth = _OverSettings(0.3, (0.05, 5.0)) * _OverTime(10.0, (1.0, 1e4), nu=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound is an answer
        found = GaussianProcessRegressor(smooth + WhiteKernel(0.1, (1e-3, 1.0))).fit(rows_N, gains_N).kernel_
    model = GaussianProcessRegressor(found.k1, alpha=found.k2.noise_level, optimizer=None)
    return model.fit(rows_N, gains_N)
