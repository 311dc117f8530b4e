"""Time-varying Gaussian process over what settings gain, and the settings that promise most.

The kernel is k((t, x), (t', x')) = k(x, x') (1 - e)^(|t - t'| / 2), whose second factor is the Matern kernel
with nu = 1/2. Settings whose gain is not yet known lower the variance near them and leave the mean.

Source: Bogunovic et al. 2016, "Time-Varying Gaussian Process Bandit Optimization", for the kernel; Desautels
et al. 2014 (GP-BUCB) for settings with pending gains.

Shapes: N known gains, D numbers in the unit cube, C candidates.
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

NEWEST = 200  # older gains tell little, and the cost grows with the cube of their number
CANDIDATES = 1000

Floats = NDArray[np.float64]
Setting = tuple[float, Floats]  # time in intervals, numbers in the unit cube


class _OverSettings(RBF):  # type: ignore[misc]
    """RBF kernel of every column but the first."""

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Any:
        return super().__call__(X[:, 1:], None if Y is None else Y[:, 1:], eval_gradient)


class _OverTime(Matern):  # type: ignore[misc]
    """Matern kernel of the first column."""

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Any:
        return super().__call__(X[:, :1], None if Y is None else Y[:, :1], eval_gradient)


class GainModel:
    """Gains with their times (in intervals) and settings (in the unit cube)."""

    def __init__(self) -> None:
        self._rows: list[Floats] = []
        self._gains: list[float] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, time: float, settings_D: Floats, gain: float) -> None:
        """Add a gain; higher is better."""
        self._rows.append(np.concatenate([[time], settings_D]))
        self._gains.append(gain)

    def newest(self) -> tuple[Floats, Floats]:
        """Return rows (N, 1 + D) of time and settings, and their gains (N) with mean 0 and deviation 1."""
        gains_N = np.array(self._gains[-NEWEST:])
        return np.array(self._rows[-NEWEST:]), (gains_N - gains_N.mean()) / (gains_N.std() or 1.0)


def most_promising(
    gains: GainModel, pending: Sequence[Setting], time: float, near_D: Floats, rng: np.random.Generator
) -> Floats:
    """Return the settings with the highest upper confidence bound of the gain.

    Args:
        gains: the known ones, at least one.
        pending: time and settings of each trial whose gain is not yet known.
        time: of the gain to maximise, in intervals.
        near_D: a candidate beside the random ones.
        rng: draws the random candidates.
    Returns:
        D numbers, 0 to 1.
    """
    rows_N, gains_N = gains.newest()
    model = _fitted(rows_N, gains_N)
    candidates_C = np.vstack([near_D, rng.random((CANDIDATES, len(near_D)))])
    at_C = np.column_stack([np.full(len(candidates_C), time), candidates_C])
    if pending:  # fitted to their own predictions, they change the variance only
        rows = np.array([np.concatenate([[then], settings]) for then, settings in pending])
        model.fit(np.vstack([rows_N, rows]), np.concatenate([gains_N, model.predict(rows)]))
    mean_C, deviation_C = model.predict(at_C, return_std=True)
    beta = 0.2 + max(0.0, math.log(0.4 * len(gains_N)))  # as in the authors' code
    best: Floats = candidates_C[int(np.argmax(mean_C + math.sqrt(beta) * deviation_C))]
    return best


def _fitted(rows_N: Floats, gains_N: Floats) -> GaussianProcessRegressor:
    """Return a process whose kernel fits the gains best; it predicts gains without their noise."""
    smooth = _OverSettings(0.3, (0.05, 5.0)) * _OverTime(10.0, (1.0, 1e4), nu=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound is fine
        kernel = GaussianProcessRegressor(smooth + WhiteKernel(0.1, (1e-3, 1.0))).fit(rows_N, gains_N).kernel_
    model = GaussianProcessRegressor(kernel.k1, alpha=kernel.k2.noise_level, optimizer=None)
    return model.fit(rows_N, gains_N)
