"""The source of points as Ray Tune asks for it."""

from __future__ import annotations

import math
from typing import Any

from ray.tune.search import Searcher

from tuner.definition import Study
from tuner.metrics import VALUE
from tuner.record import State, judge
from tuner.source import Source
from tuner.stops import Stops


class StudySearcher(Searcher):
    """Suggests whole configurations and tells the source the true end of each trial.

    Ray's own OptunaSearch tells a stopped trial as COMPLETE with its immature value and leaves one with a
    NaN running for ever; here they are PRUNED and FAIL, by the same judgement that the record uses.

    Args:
        study: the study.
        source: asked and told.
        stops: why the scheduler stopped a trial, by Ray's trial id.
    """

    def __init__(self, study: Study, source: Source, stops: Stops) -> None:
        super().__init__(metric=VALUE, mode=study.metric.mode)
        self._study, self._source, self._stops = study, source, stops
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any]:
        number, point = self._source.ask()
        self._numbers[trial_id] = number
        return {"number": number, "point": point, "params": self._study.params(point)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._source.report(self._numbers[trial_id], result["training_iteration"], result[VALUE])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        number = self._numbers[trial_id]
        value, epoch, state = math.nan, 0, State.FAILED
        if result and VALUE in result and not error:
            value, epoch = result[VALUE], result["training_iteration"]
            stopped = self._stops.get(trial_id, "")
            state, _ = judge(self._study.metric.name, epoch, value, self._study.full, stopped)
            self._source.report(number, epoch, value)  # Ray does not pass on the report that ends a trial
        self._source.tell(number, state, value)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the journal is the record, and a search is not resumed from Ray's snapshots."""
