"""Optuna's samplers and distributions by the names of a study file, seeded per trial."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from optuna import Study, samplers
from optuna import distributions as optuna_distributions
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial
from threadpoolctl import threadpool_limits

from tuner.space.distributions import CategoricalDistribution, Distribution
from tuner.study.settings import SamplerConfig

_THREADS = "OMP_NUM_THREADS"
_DRAWS, _CHANGES = 2, 64  # tries of the model, then of single changes, before params are repeated

Distributions = Mapping[str, BaseDistribution]
IsRepeated = Callable[[dict[str, Any]], bool]  # whether encoded values give params that a trial had


class _TPE(samplers.TPESampler):
    """TPE that does not repeat params, and does not go through all trials to find the search space.

    Where all dimensions are whole numbers and choices, the model soon draws its best params again and again.
    Such a trial teaches nothing, ranks with the best at every rung and so runs to its end, and its pairs make
    early ranks look predictive. After a second such draw, single values are redrawn at random until the
    params are new.

    Args:
        seed: of the draws.
        startup: trials drawn at random.
        distributions: by name, of the whole search space.
        is_repeated: called with what was drawn.
    """

    def __init__(
        self, seed: int, startup: int, distributions: Distributions, is_repeated: IsRepeated
    ) -> None:
        super().__init__(seed=seed, n_startup_trials=startup)
        self._searched = {name: each for name, each in sorted(distributions.items()) if not each.single()}
        self._is_repeated, self._order = is_repeated, np.random.default_rng(seed)
        self._random = samplers.RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return what Optuna finds by comparing all trials, each of which has every distribution here."""
        return {} if len(study.directions) > 1 else dict(self._searched)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        for _ in range(_DRAWS):
            encoded = super().sample_relative(study, trial, search_space)
            if not encoded or not self._is_repeated(encoded):
                return encoded
        near = dict(encoded)
        for name in map(str, self._order.choice(list(self._searched), _CHANGES)):
            near[name] = self._random.sample_independent(study, trial, name, self._searched[name])
            if not self._is_repeated(near):
                return near
        return encoded


class _NSGAII(samplers.NSGAIISampler):
    """NSGA-II whose mutations have their own random stream.

    Optuna seeds mutation and crossover alike. With a new seed per trial, the first mutated value would always
    be the random number that has just decided about crossover.
    """

    def __init__(self, population: int, seed: int, mutations: int) -> None:
        super().__init__(population_size=population, seed=seed)
        self._mutations = samplers.RandomSampler(seed=mutations)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._mutations.sample_independent(study, trial, param_name, param_distribution)


class _SingleThreadGP(samplers.GPSampler):
    """A Gaussian process on one thread, so that suggestions do not depend on the number of cores.

    Optuna limits the threads of a part of the work. The rest spins on all cores, which the trials need: with
    both cores of a machine busy a suggestion took 5 times as long.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with _one_thread():
            return super().sample_relative(study, trial, search_space)


class _ReplayedSampler(samplers.BaseSampler):
    """Asks a sampler for a trial whose values are already known, so that its position in a sequence advances.

    Optuna does not ask a sampler for enqueued values.
    """

    def __init__(self, sampler: samplers.BaseSampler) -> None:
        self._sampler = sampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        space = self._sampler.infer_relative_search_space(study, trial)
        self._sampler.sample_relative(study, trial, space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)


def sampler_for(
    config: SamplerConfig, number: int, distributions: Distributions, is_repeated: IsRepeated
) -> samplers.BaseSampler:
    """Return the sampler that draws one trial, seeded by the study's seed and the trial's number.

    Args:
        config: the study's sampler settings.
        number: the trial's.
        distributions: by name, of the whole search space.
        is_repeated: whether encoded values give params that a trial had.
    """
    seed, second = (int(word) for word in np.random.SeedSequence([config.seed, number]).generate_state(2))
    if config.name == "tpe":
        return _TPE(seed, config.startup, distributions, is_repeated)
    if config.name == "gp":
        return _SingleThreadGP(seed=seed, n_startup_trials=config.startup)
    if config.name == "nsga2":
        return _NSGAII(config.startup, seed, second)
    if config.name == "qmc":
        return _qmc(config.seed, seed)
    return samplers.RandomSampler(seed=seed)


def sampler_for_known(config: SamplerConfig, number: int, drawn: bool) -> samplers.BaseSampler:
    """Return the sampler for a trial whose values are known: a cheap one, unless its position must advance.

    Args:
        config: the study's sampler settings.
        number: the trial's.
        drawn: whether `sampler_for` drew the values; initial params take no place in a sequence.
    """
    has_position = config.name == "nsga2" or (config.name == "qmc" and drawn)  # its generation; its sequence
    if not has_position:
        return samplers.RandomSampler(seed=0)
    return _ReplayedSampler(sampler_for(config, number, {}, lambda encoded: False))


def _qmc(seed: int, first: int) -> samplers.BaseSampler:
    """Return a sampler over one scrambled Sobol sequence per study, which begins with the second trial."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return samplers.QMCSampler(
            scramble=True,
            seed=seed,
            independent_sampler=samplers.RandomSampler(seed=first),
            warn_independent_sampling=False,
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit loaded libraries to one thread, and through the environment those that Optuna loads meanwhile."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        with threadpool_limits(1):
            yield
    finally:
        del os.environ[_THREADS]
        if before is not None:
            os.environ[_THREADS] = before


def optuna_distribution(distribution: Distribution) -> BaseDistribution:
    """Return a distribution as Optuna's."""
    if isinstance(distribution, CategoricalDistribution):
        return optuna_distributions.CategoricalDistribution(distribution.labels)
    if distribution.whole:
        return optuna_distributions.IntDistribution(int(distribution.low), int(distribution.high))
    return optuna_distributions.FloatDistribution(distribution.low, distribution.high, log=distribution.log)
