"""One cut: all trials run `grace` reports and wait, then the best go on to the end.

The baseline that every cleverer scheduler has to beat (Egele et al. 2023, "The Unreasonable Effectiveness of
Early Discarding After One Epoch in Neural Network Hyperparameter Optimization").
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
    """Lets the best ceil(N / reduction) of N go on, equal ones by number, and the default beside them.

    Trials that were cut or let go before count among the N, so a search that was broken off while it carried
    the cut out ends as if it had not been.

    Args:
        study: its metric, reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        self._loss, self._spared = loss_of(study), spared(study)
        self._grace, self._reduction, self._unit = (
            study.scheduler.grace,
            study.scheduler.reduction,
            study.report_unit,
        )
        self._costs: dict[int, float] = {}
        self._decided: set[int] = set()

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        cost = self._loss.of(metrics)
        if cost is None or epoch < self._grace or number in self._costs:
            return CONTINUE
        self._costs[number] = cost
        return PAUSE

    def end(self, number: int, state: State) -> None:
        if state is State.STOPPED:
            self._decided.add(number)

    def resume(self, paused: Sequence[int], idle: bool) -> dict[int, Decision]:
        if not idle:
            return {}
        ranked = sorted(self._decided.union(paused), key=lambda number: (self._costs[number], number))
        count = math.ceil(len(ranked) / self._reduction)
        best = {*ranked[:count], self._spared}
        after = f"{self._grace} {self._unit}{'s' if self._grace > 1 else ''}"
        cut = Decision(Action.STOP, f"not among the best {count} of {len(ranked)} after {after}")
        return {number: CONTINUE if number in best else cut for number in paused}

    def resumed(self, number: int, decision: Decision) -> None:
        self._decided.add(number)
