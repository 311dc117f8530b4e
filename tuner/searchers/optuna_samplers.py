"""Optuna's samplers and distributions as a study names them."""

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
_DRAWS, _TURNS = 2, 64  # of the model, then of single encoded, before a point is taken twice

Distributions = Mapping[str, BaseDistribution]
Taken = Callable[[dict[str, Any]], bool]  # whether the encoded give a params that a trial had


class _Tpe(samplers.TPESampler):
    """TPE that does not draw a params twice, and that need not look through all trials for what is searched.

    Where all dimensions are whole numbers and labels, the model soon draws its best params again and again.
    Such a trial says nothing, ranks with the best at every rung and so runs to its end, and its pairs make
    early ranks look true. After a second such draw, encoded are turned at random until the point is new.

    Args:
        seed: of the draws.
        startup: trials drawn at random.
        distributions: of every distribution.
        taken: asked of what was drawn.
    """

    def __init__(self, seed: int, startup: int, distributions: Distributions, taken: Taken) -> None:
        super().__init__(seed=seed, n_startup_trials=startup)
        self._knobs = {name: each for name, each in sorted(distributions.items()) if not each.single()}
        self._taken, self._order = taken, np.random.default_rng(seed)
        self._turning = samplers.RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """What Optuna finds too, by comparing the distributions of all trials: every trial has every
        distribution.
        """
        return {} if len(study.directions) > 1 else dict(self._knobs)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        for _ in range(_DRAWS):
            encoded = super().sample_relative(study, trial, search_space)
            if not encoded or not self._taken(encoded):
                return encoded
        near = dict(encoded)
        for name in map(str, self._order.choice(list(self._knobs), _TURNS)):
            near[name] = self._turning.sample_independent(study, trial, name, self._knobs[name])
            if not self._taken(near):
                return near
        return encoded


class _NSGAII(samplers.NSGAIISampler):
    """NSGA-II whose mutations have a stream of their own.

    Optuna gives mutation and crossover the same seed. Seeded anew for each trial, the first mutated value
    would always be the number that has just decided on crossover.
    """

    def __init__(self, population: int, seed: int, mutations: int) -> None:
        super().__init__(population_size=population, seed=seed)
        self._mutations = samplers.RandomSampler(seed=mutations)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._mutations.sample_independent(study, trial, param_name, param_distribution)


class _SingleThreadGP(samplers.GPSampler):
    """A Gaussian process on one thread, whose suggestions do not depend on the number of cores.

    Optuna limits a part of the work. The rest spins on all cores, which the trials need: with both cores of
    a machine busy a suggestion took 5 times as long.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with _one_thread():
            return super().sample_relative(study, trial, search_space)


class _ReplayedSampler(samplers.BaseSampler):
    """A sampler that is asked for a trial whose encoded are given, so that what it keeps count of moves on.

    Optuna asks a sampler for nothing that is given.
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
    config: SamplerConfig, number: int, distributions: Distributions, taken: Taken
) -> samplers.BaseSampler:
    """The sampler that draws one trial; its randomness is of the study's seed and the trial's number alone.

    Args:
        config: the study's.
        number: the trial's.
        distributions: of every distribution.
        taken: whether encoded give a params that a trial had.
    """
    seed, second = (int(word) for word in np.random.SeedSequence([config.seed, number]).generate_state(2))
    if config.name == "tpe":
        return _Tpe(seed, config.startup, distributions, taken)
    if config.name == "gp":
        return _SingleThreadGP(seed=seed, n_startup_trials=config.startup)
    if config.name == "nsga2":
        return _NSGAII(config.startup, seed, second)
    if config.name == "qmc":
        return _qmc(config.seed, seed)
    return samplers.RandomSampler(seed=seed)


def sampler_for_known(config: SamplerConfig, number: int, drawn: bool) -> samplers.BaseSampler:
    """The sampler to ask for a trial whose encoded are given: a cheap one, unless it keeps count.

    Args:
        config: the study's.
        number: the trial's.
        drawn: whether `sampler_for` once drew the encoded; known points take no place in a sequence.
    """
    counts = config.name == "nsga2" or (config.name == "qmc" and drawn)  # of generations, of its sequence
    if not counts:
        return samplers.RandomSampler(seed=0)
    return _ReplayedSampler(sampler_for(config, number, {}, lambda encoded: False))


def _qmc(seed: int, first: int) -> samplers.BaseSampler:
    """One scrambled Sobol sequence for the whole study; it begins with the second trial."""
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
    """For libraries that are loaded, and by the variable for those that Optuna loads meanwhile."""
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
    """A distribution as Optuna knows it."""
    if isinstance(distribution, CategoricalDistribution):
        return optuna_distributions.CategoricalDistribution(distribution.labels)
    if distribution.whole:
        return optuna_distributions.IntDistribution(int(distribution.low), int(distribution.high))
    return optuna_distributions.FloatDistribution(distribution.low, distribution.high, log=distribution.log)
