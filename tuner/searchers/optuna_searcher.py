"""Optuna as the source of points: asked for each trial, told what became of it, resumed after a crash."""

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
    """A `Searcher` that learns; the same for a search on Ray and in this process.

    Each trial is drawn by a sampler of its own, reseeded by the study's seed and the trial's number, so that
    a suggestion depends on nothing but these and what was told before.

    Args:
        study: its search space, known points, goals, constraints and sampler settings are used.
        memory: of an earlier session of this search; None: the trials that the study's `warm_start` names
            now are learned from.
    Raises:
        StudyError: an earlier study that cannot be used.

    Attributes:
        earlier: trials of an earlier study that were learned from.
        study: Optuna's, with its own numbering.
    """

    def __init__(self, study: Study, memory: SearcherState | None = None) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._config, self._full = study.space, study.sampler, study.max_reports
        self._goals, self._constraints = study.all_objectives, study.constraints
        self._known = [self._space.encode(params) for params in study.initial_params]
        self._distributions = {
            name: optuna_distribution(distribution)
            for name, distribution in self._space.distributions().items()
        }
        self.study = optuna.create_study(
            directions=["minimize" if goal.mode == "min" else "maximize" for goal in self._goals],
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=optuna.pruners.NopPruner(),
        )
        self._trials: dict[int, optuna.Trial] = {}
        self._asked, self._points = 0, set[str]()
        self.earlier = earlier_trials(study) if memory is None else _recalled(memory)
        for each in self.earlier:
            self._inherit(each)

    @property
    def memory(self) -> dict[str, Any]:
        """The trials of an earlier study, as they were when the search began."""
        return {"earlier": [each.model_dump() for each in self.earlier]} if self.earlier else {}

    @property
    def inherited(self) -> int:
        """How many trials of an earlier study were learned from."""
        return len(self.earlier)

    def ask(self) -> Suggestion:
        """The next trial: the study's default, then its known points, then what is drawn."""
        number = self._asked
        if number < len(self._known):
            return self._begin(sampler_for_known(self._config, number, drawn=False), self._known[number])
        return self._begin(sampler_for(self._config, number, self._distributions, self._taken))

    def recall(self, suggestion: Suggestion) -> None:
        """A suggestion of an earlier session, in the order of asking.

        Raises:
            StudyError: one is left out.
        """
        if suggestion.number != self._asked:
            missing = f"trial {self._asked} is missing before trial {suggestion.number}"
            raise StudyError(f"the journal of the search: {missing}; restore the file")
        drawn = self._asked >= len(self._known)
        self._begin(sampler_for_known(self._config, self._asked, drawn), suggestion.encoded)

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """A trial's metrics after an epoch; of a repeated epoch the first count. With objectives nothing."""
        self._report(self._trials[number], epoch, metrics.get(self._goals[0].name, math.nan))

    def tell(self, number: int, state: State, metrics: Mapping[str, float]) -> None:
        """How a trial ended: complete with its values, stopped as PRUNED at its last report, else FAIL.

        An interrupted trial has not ended: it goes on when the search does.
        """
        if state is not State.INTERRUPTED:
            self._end(self._trials.pop(number), state, metrics)

    def _begin(
        self, sampler: optuna.samplers.BaseSampler, encoded: Mapping[str, Any] | None = None
    ) -> Suggestion:
        trial = self._ask(sampler, encoded)
        number = self._asked
        self._trials[number], self._asked = trial, number + 1
        self._points.add(self._written(trial.params))
        return Suggestion(number, self._space.decode(trial.params), dict(trial.params))

    def _taken(self, encoded: Mapping[str, Any]) -> bool:
        """Whether a trial of this search had the params; those of an earlier study may be run again."""
        return self._written(encoded) in self._points

    def _written(self, encoded: Mapping[str, Any]) -> str:
        return json.dumps(self._space.decode(encoded), sort_keys=True)

    def _ask(self, sampler: optuna.samplers.BaseSampler, encoded: Mapping[str, Any] | None) -> optuna.Trial:
        self.study.sampler = sampler
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # about Optuna's own insides: experimental, slower without greenlet
            if encoded is not None:
                self.study.enqueue_trial(dict(encoded))
            return self.study.ask(self._distributions)

    def _report(self, trial: optuna.Trial, epoch: int, value: float) -> None:
        if math.isfinite(value) and len(self._goals) == 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a resumed trial repeats its last epochs
                trial.report(value, epoch)

    def _end(self, trial: optuna.Trial, state: State, metrics: Mapping[str, float]) -> None:
        values = [metrics.get(goal.name, math.nan) for goal in self._goals]
        self._constrain(trial, state, metrics)
        if state is State.COMPLETE and all(map(math.isfinite, values)):
            self.study.tell(trial, values)
        elif state is State.STOPPED and len(self._goals) == 1:
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _constrain(self, trial: optuna.Trial, state: State, metrics: Mapping[str, float]) -> None:
        """A complete trial without a number is infeasible; of a stopped one it was not known yet."""
        for each in self._constraints:
            value = metrics.get(each.metric, math.nan)
            if math.isfinite(value):
                trial.set_constraint(each.metric, value - each.at_most)
            elif state is State.COMPLETE:
                trial.set_constraint(each.metric, math.inf)

    def _inherit(self, earlier: EarlierTrial) -> None:
        trial = self._ask(sampler_for_known(self._config, 0, drawn=False), self._space.encode(earlier.params))
        for epoch, value in enumerate(earlier.values, start=1):
            self._report(trial, epoch, math.nan if value is None else value)
        whole = len(earlier.values) == self._full
        self._end(trial, State.COMPLETE if whole else State.STOPPED, earlier.metrics)


def _recalled(memory: SearcherState) -> list[EarlierTrial]:
    return [EarlierTrial.model_validate(each) for each in memory.get("earlier", ())]
