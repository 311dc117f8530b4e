"""Early discarding: every trial pauses after the grace period, then only the best run to the end.

The baseline that every other scheduler has to beat. Ray Tune has none: its synchronous HyperBand cuts in
brackets, and not once over all trials.

Source: Egele et al. 2023, "The Unreasonable Effectiveness of Early Discarding After One Epoch in Neural
Network Hyperparameter Optimization".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tuner.journal.record import State
from tuner.schedulers.fifo import FIFO
from tuner.schedulers.loss import loss_of, spared
from tuner.schedulers.scheduler import CONTINUE, PAUSE, Action, Decision
from tuner.study.study import Study


class EarlyDiscarding(FIFO):
    """Resumes the best ceil(N / reduction_factor) of N trials and the default, and stops the others.

    Of equal trials the one with the lower number is better. Trials already stopped or resumed count among the
    N, so a search that was interrupted in the middle of the cut ends as an uninterrupted one.

    Args:
        study: its metric, number of reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        settings, unit = study.scheduler, study.report_unit
        self._loss, self._spared = loss_of(study), spared(study)
        self._grace_period, self._reduction_factor = settings.grace_period, settings.reduction_factor
        self._after = f"{settings.grace_period} {unit}{'s' if settings.grace_period > 1 else ''}"
        self._losses: dict[int, float] = {}
        self._decided: set[int] = set()

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        loss = self._loss.of(metrics)
        if loss is None or epoch < self._grace_period or number in self._losses:
            return CONTINUE
        self._losses[number] = loss
        return PAUSE

    def end(self, number: int, state: State) -> None:
        if state is State.STOPPED:
            self._decided.add(number)

    def resume(self, paused: Sequence[int], idle: bool) -> dict[int, Decision]:
        if not idle:
            return {}
        ranking = sorted(self._decided.union(paused), key=lambda number: (self._losses[number], number))
        count = math.ceil(len(ranking) / self._reduction_factor)
        best = {*ranking[:count], self._spared}
        cut = Decision(Action.STOP, f"not among the best {count} of {len(ranking)} after {self._after}")
        return {number: CONTINUE if number in best else cut for number in paused}

    def resumed(self, number: int, decision: Decision) -> None:
        self._decided.add(number)
