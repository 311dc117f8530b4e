"""Importance of each search dimension, with intervals and the level that chance alone reaches.

Source: PED-ANOVA (Watanabe et al. 2023), the Pearson divergence between a setting's distribution among the
best trials and among all; a dimension of several distributions gets their sum. Intervals by the delete-d
jackknife (Shao and Wu 1989), since the repeated trials of a bootstrap would count as differences.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from tuner.searchers.optuna_samplers import optuna_distribution
from tuner.space.space import Params
from tuner.study.study import Study

LEAST = 8  # trials; the best quarter of fewer is a single one
DRAWS = 60
BEST = 0.25  # the share of trials that counts as good
LEFT_OUT = 4  # a quarter of the trials, each time others
Z = 1.645  # 90 % of a normal distribution
CHANCE = 0.05

Example = tuple[Params, float]  # a trial's configuration and its metric


@dataclass(frozen=True)
class Importance:
    """Importance of one dimension.

    Attributes:
        path: of the dimension.
        share: fraction of the importance of all dimensions.
        low, high: 90 % interval of the share, from leaving out a quarter of the trials.
        chance: fraction of random permutations of the values that reach this importance.
    """

    path: str
    share: float
    low: float
    high: float
    chance: float

    @property
    def shown(self) -> bool:
        """True where chance seldom reaches as much."""
        return self.chance < CHANCE


def importances(study: Study, examples: Sequence[Example], draws: int = DRAWS) -> list[Importance]:
    """Compute the importance of every dimension, largest first; empty for fewer than 8 trials.

    Args:
        study: what was searched.
        examples: trials of equal length.
        draws: number of jackknife samples and of permutations.
    Returns:
        Deterministic for the same trials.
    """
    values_N = np.array([value for _, value in examples])
    if len(examples) < LEAST or not study.search or np.ptp(values_N) == 0:
        return []
    encoded = [study.space.encode(params) for params, _ in examples]
    rng = np.random.default_rng(0)
    own_D = _raw(study, encoded, values_N)
    left_out = len(encoded) // LEFT_OUT
    kept = [rng.permutation(len(encoded))[left_out:] for _ in range(draws)]
    again_RD = np.array([_raw(study, [encoded[row] for row in rows], values_N[rows]) for rows in kept])
    dealt_RD = np.array([_raw(study, encoded, rng.permutation(values_N)) for _ in range(draws)])
    reach_D = Z * _shares(again_RD).std(axis=0) * np.sqrt((len(encoded) - left_out) / left_out)
    chance_D = (1 + (dealt_RD >= own_D).sum(axis=0)) / (1 + draws)
    shares_D = _shares(own_D[None])[0]
    columns = (shares_D, np.maximum(0, shares_D - reach_D), np.minimum(1, shares_D + reach_D), chance_D)
    rows = [Importance(path, *map(float, each)) for path, *each in zip(study.search, *columns, strict=True)]
    return sorted(rows, key=lambda row: -row.share)


def _shares(raw_RD: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row divided by its sum; equal shares where the sum is 0."""
    total_R1 = raw_RD.sum(axis=1, keepdims=True)
    even = np.full_like(raw_RD, 1 / raw_RD.shape[1])
    shares_RD: NDArray[np.float64] = np.divide(raw_RD, total_R1, out=even, where=total_R1 > 0)
    return shares_RD


def _raw(
    study: Study, encoded: Sequence[Mapping[str, Any]], values_N: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the importance (D,) per dimension, not normalised."""
    of = {
        name: optuna_distribution(distribution) for name, distribution in study.space.distributions().items()
    }
    directions = optuna.study.StudyDirection
    direction = directions.MINIMIZE if study.metric.mode == "min" else directions.MAXIMIZE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not normalising is called experimental
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        told = optuna.create_study(direction=direction)
        trial = optuna.trial.create_trial
        told.add_trials(
            [
                trial(params=dict(each), distributions=of, value=float(value))
                for each, value in zip(encoded, values_N, strict=True)
            ]
        )
        evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST)
        found = get_param_importances(told, evaluator=evaluator, normalize=False)
    return np.array([sum(found.get(name, 0.0) for name in _names(study, path)) for path in study.search])


def _names(study: Study, path: str) -> list[str]:
    return [f"{path}/{name}" if name else path for name in study.search[path].distributions()]
