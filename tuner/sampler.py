"""Optuna: draws configurations and learns from what becomes of them (the only file that names it)."""

from __future__ import annotations

import math
import warnings

import optuna

from tuner.definition import SamplerConfig, Study
from tuner.knobs import Knob, Labels
from tuner.record import State
from tuner.space import Point


class Sampler:
    """Ask for a point, tell what became of it; the same for a search on Ray and in this process.

    Args:
        study: its search space, default, metric mode and sampler settings are used.
    """

    def __init__(self, study: Study) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = study.space
        self._distributions = {name: _distribution(knob) for name, knob in self._space.knobs().items()}
        self.study = optuna.create_study(
            direction="minimize" if study.metric.mode == "min" else "maximize",
            sampler=_sampler(study.sampler),
            pruner=optuna.pruners.NopPruner(),
        )
        self._trials: dict[int, optuna.Trial] = {}
        if study.default is not None:
            self.study.enqueue_trial(self._space.encode(study.default))

    def ask(self) -> tuple[int, Point]:
        """The next trial's number, counted from 0, and point; the study's default comes first."""
        trial = self.study.ask(self._distributions)
        self._trials[trial.number] = trial
        return trial.number, self._space.decode(trial.params)

    def report(self, number: int, epoch: int, value: float) -> None:
        """A finite value of the metric after an epoch; a repeated epoch is ignored."""
        if math.isfinite(value):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a resumed trial repeats its last epochs
                self._trials[number].report(value, epoch)

    def tell(self, number: int, state: State, value: float) -> None:
        """How a trial ended: complete with its value, stopped as PRUNED at its last report, else FAIL."""
        trial = self._trials.pop(number)
        if state is State.COMPLETE:
            self.study.tell(trial, value)
        elif state is State.STOPPED:
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _distribution(knob: Knob) -> optuna.distributions.BaseDistribution:
    if isinstance(knob, Labels):
        return optuna.distributions.CategoricalDistribution(knob.labels)
    if knob.whole:
        return optuna.distributions.IntDistribution(int(knob.low), int(knob.high))
    return optuna.distributions.FloatDistribution(knob.low, knob.high, log=knob.log)


def _sampler(config: SamplerConfig) -> optuna.samplers.BaseSampler:
    if config.name == "random":
        return optuna.samplers.RandomSampler(seed=config.seed)
    return optuna.samplers.TPESampler(seed=config.seed, n_startup_trials=config.startup)
