"""PBT based training: the worst trials go on from the best ones' state, with changed settings.

Searcher: Jaderberg et al. 2017, "PBT Based Training of Neural Networks" (truncation selection, here by
quarters).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tuner.journal.record import State
from tuner.schedulers.explore import perturbed
from tuner.schedulers.fifo import FIFO
from tuner.schedulers.loss import loss_of, spared
from tuner.schedulers.scheduler import CONTINUE, PAUSE, Action, Decision
from tuner.space.space import Params
from tuner.study.study import Study

LEAST = 4  # trials that must have reached a milestone, so that a quarter is one


class PBT(FIFO):
    """Holds each trial every `interval` reports; in the worst quarter of its milestone it moves.

    ResourceClock trials are released one at a time, the first first, when the whole population has begun and at least
    4 have reached the milestone or no more can. So with one at a time all take turns, and each is compared
    with all the others. A trial moves to a living one of the best quarter that is strictly better; there may
    be none. The default never moves.

    Args:
        study: its space, metric, reports, number of trials, seed and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        self._space, self._seed, self._size = study.space, study.sampler.seed, study.trials
        self._loss, self._spared, self._unit = loss_of(study), spared(study), study.report_unit
        self._grace, self._interval = study.scheduler.grace, study.scheduler.interval
        self._points: dict[int, Params] = {}
        self._epochs: dict[int, int] = {}
        self._milestones: dict[int, int] = {}  # trial -> where it was paused last
        self._costs: dict[int, dict[int, float]] = {}  # milestone -> trial -> cost
        self._over: set[int] = set()
        self._whole = False  # once one was released, no more trials are waited for

    def begin(self, number: int, params: Params) -> None:
        self._points[number], self._epochs[number] = params, 0

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        self._epochs[number] = epoch
        cost = self._loss.of(metrics)
        if cost is None or epoch % self._interval or epoch < self._grace:
            return CONTINUE
        self._costs.setdefault(epoch, {})[number] = cost
        if epoch <= self._milestones.get(number, 0):  # a donor that saves seldom gave it an older state
            return CONTINUE
        self._milestones[number] = epoch
        return PAUSE

    def end(self, number: int, state: State) -> None:
        self._over.add(number)

    def resume(self, paused: Sequence[int], idle: bool) -> dict[int, Decision]:
        ready = [number for number in paused if idle or self._ready(self._milestones[number])]
        return {number: self._decide(number) for number in ready[:1]}

    def resumed(self, number: int, decision: Decision) -> None:
        self._whole = True
        if decision.params is not None:
            self._points[number] = decision.params

    def _ready(self, milestone: int) -> bool:
        """Whether enough trials have reached a milestone, or no more can."""
        coming = sum(self._epochs[number] < milestone for number in self._points if number not in self._over)
        reached = len(self._costs[milestone])
        whole = self._whole or len(self._points) >= self._size
        return whole and (reached >= LEAST or reached + coming < LEAST)

    def _decide(self, number: int) -> Decision:
        milestone = self._milestones[number]
        costs = self._costs[milestone]
        ranking = sorted(costs, key=lambda other: (costs[other], other))
        quarter = len(ranking) // LEAST
        if number == self._spared or number not in ranking[len(ranking) - quarter :]:
            return CONTINUE
        better = [other for other in ranking[:quarter] if costs[other] < costs[number]]
        donors = [other for other in better if other not in self._over]
        if not donors:
            return CONTINUE
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, number, milestone]))
        donor = donors[int(rng.integers(len(donors)))]
        reason = (
            f"in the worst quarter of {len(ranking)} at {self._unit} {milestone}, goes on from trial {donor}"
        )
        return Decision(Action.CLONE, reason, donor, self._explored(number, donor, rng))

    def _explored(self, number: int, donor: int, rng: np.random.Generator) -> Params:
        """Settings for a trial that takes over the donor's state."""
        return perturbed(self._space, self._points[donor], rng)
