"""Optuna as a searcher: asked for each trial, told how it went, restored from the journal.

Over Optuna's own `ask` and `tell` instead of Ray's `OptunaSearch`, which tells Optuna that stopped trials are
complete, leaves trials that reported NaN running, and cannot be restored from a journal.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from typing import Any

import optuna

from tuner.errors import StudyError
from tuner.journal.record import State
from tuner.searchers.optuna_samplers import optuna_distribution, sampler_for, sampler_for_known
from tuner.searchers.searcher import SearcherState, Suggestion
from tuner.searchers.warm_start import EarlierTrial, earlier_trials
from tuner.study.study import Study


class OptunaSearcher:
    """A `Searcher` that draws params by Optuna's samplers.

    Each trial gets its own sampler, seeded by the study's seed and the trial's number. So a suggestion
    depends on these and on the reports and ends before it, and on nothing that a sampler keeps to itself.

    Args:
        study: its search space, initial params, objectives, constraints and sampler settings are used.
        state: of an earlier session of this search; None to read the trials that `warm_start` names.
    Raises:
        StudyError: an earlier study that cannot be used.

    Attributes:
        earlier: the trials of an earlier study.
        study: Optuna's study, which numbers the earlier trials too.
    """

    def __init__(self, study: Study, state: SearcherState | None = None) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._config, self._max_reports = study.space, study.sampler, study.max_reports
        self._objectives, self._constraints = study.all_objectives, study.constraints
        self._initial = [self._space.encode(params) for params in study.initial_params]
        self._distributions = {
            name: optuna_distribution(distribution)
            for name, distribution in self._space.distributions().items()
        }
        self.study = optuna.create_study(
            directions=["minimize" if each.mode == "min" else "maximize" for each in self._objectives],
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=optuna.pruners.NopPruner(),
        )
        self._trials: dict[int, optuna.Trial] = {}
        self._asked, self._drawn = 0, set[str]()
        self.earlier = earlier_trials(study) if state is None else _from_state(state)
        for each in self.earlier:
            self._add(each)

    @property
    def state(self) -> SearcherState:
        """The trials of an earlier study, as they were when the search began."""
        return {"earlier": [each.model_dump() for each in self.earlier]} if self.earlier else {}

    def ask(self) -> Suggestion:
        """Return the next trial: the study's default, then its other initial params, then drawn ones."""
        number = self._asked
        if number < len(self._initial):
            return self._begin(sampler_for_known(self._config, number, drawn=False), self._initial[number])
        return self._begin(sampler_for(self._config, number, self._distributions, self._is_repeated))

    def recall(self, suggestion: Suggestion) -> None:
        """Note a suggestion of an earlier session, in the order of `ask`.

        Raises:
            StudyError: one is left out.
        """
        if suggestion.number != self._asked:
            missing = f"trial {self._asked} is missing before trial {suggestion.number}"
            raise StudyError(f"the journal of the search: {missing}; restore the file")
        drawn = self._asked >= len(self._initial)
        self._begin(sampler_for_known(self._config, self._asked, drawn), suggestion.encoded)

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Pass on a trial's metric, once per epoch; with several objectives Optuna takes none."""
        self._report(self._trials[number], epoch, metrics.get(self._objectives[0].name, math.nan))

    def tell(self, number: int, state: State, metrics: Mapping[str, float]) -> None:
        """Tell Optuna how a trial ended: COMPLETE with its values, PRUNED where it was stopped, else FAIL.

        An interrupted trial has not ended: a resumed search continues it.
        """
        if state is not State.INTERRUPTED:
            self._end(self._trials.pop(number), state, metrics)

    def _begin(
        self, sampler: optuna.samplers.BaseSampler, encoded: Mapping[str, Any] | None = None
    ) -> Suggestion:
        trial = self._ask(sampler, encoded)
        number = self._asked
        self._trials[number], self._asked = trial, number + 1
        self._drawn.add(self._key(trial.params))
        return Suggestion(number, self._space.decode(trial.params), dict(trial.params))

    def _is_repeated(self, encoded: Mapping[str, Any]) -> bool:
        """Return whether a trial of this search had the same params; an earlier study's may be run again."""
        return self._key(encoded) in self._drawn

    def _key(self, encoded: Mapping[str, Any]) -> str:
        return json.dumps(self._space.decode(encoded), sort_keys=True)

    def _ask(self, sampler: optuna.samplers.BaseSampler, encoded: Mapping[str, Any] | None) -> optuna.Trial:
        self.study.sampler = sampler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna warns of experimental features and of missing speed-ups
            if encoded is not None:
                self.study.enqueue_trial(dict(encoded))
            return self.study.ask(self._distributions)

    def _report(self, trial: optuna.Trial, epoch: int, value: float) -> None:
        if math.isfinite(value) and len(self._objectives) == 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a resumed trial repeats its last epochs
                trial.report(value, epoch)

    def _end(self, trial: optuna.Trial, state: State, metrics: Mapping[str, float]) -> None:
        values = [metrics.get(each.name, math.nan) for each in self._objectives]
        self._constrain(trial, state, metrics)
        if state is State.COMPLETE and all(map(math.isfinite, values)):
            self.study.tell(trial, values)
        elif state is State.STOPPED and len(self._objectives) == 1:
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _constrain(self, trial: optuna.Trial, state: State, metrics: Mapping[str, float]) -> None:
        """Set the constraints; a complete trial that did not report one is infeasible."""
        for each in self._constraints:
            value = metrics.get(each.metric, math.nan)
            if math.isfinite(value):
                trial.set_constraint(each.metric, value - each.at_most)
            elif state is State.COMPLETE:
                trial.set_constraint(each.metric, math.inf)

    def _add(self, earlier: EarlierTrial) -> None:
        """Add a trial of an earlier study to Optuna's."""
        trial = self._ask(sampler_for_known(self._config, 0, drawn=False), self._space.encode(earlier.params))
        for epoch, value in enumerate(earlier.values, start=1):
            self._report(trial, epoch, math.nan if value is None else value)
        complete = len(earlier.values) == self._max_reports
        self._end(trial, State.COMPLETE if complete else State.STOPPED, earlier.metrics)


def _from_state(state: SearcherState) -> list[EarlierTrial]:
    return [EarlierTrial.model_validate(each) for each in state.get("earlier", ())]
