"""Population based training (PBT): the worst trials continue from the best ones' checkpoints.

Own code, because Ray's PBT draws from Python's global random state, keeps its population in the
TuneController and cannot be restored from a journal, so a resumed search would not continue as an
uninterrupted one.

Source: Jaderberg et al. 2017, "Population Based Training of Neural Networks" (truncation selection, here by
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

MIN_RANKED = 4  # trials at a milestone, so that a quarter of them is one


class PBT(FIFO):
    """Pauses each trial every `interval` reports; in the worst quarter of its milestone it becomes a clone.

    Paused trials are resumed one at a time, in the order of their pauses, once the whole population has begun
    and at least 4 trials have reached the milestone or no more can. So with one slot all take turns, and each
    is compared with all others. The donor is a running or paused trial of the best quarter that is strictly
    better; without one the trial continues. The default is never cloned into.

    Args:
        study: its space, metric, reports, number of trials, seed and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        self._space, self._seed, self._size = study.space, study.sampler.seed, study.trials
        self._loss, self._spared, self._unit = loss_of(study), spared(study), study.report_unit
        self._grace_period, self._interval = study.scheduler.grace_period, study.scheduler.interval
        self._params: dict[int, Params] = {}
        self._epochs: dict[int, int] = {}
        self._milestones: dict[int, int] = {}  # trial -> where it was last paused
        self._losses: dict[int, dict[int, float]] = {}  # milestone -> trial -> loss
        self._over: set[int] = set()
        self._started = False  # from the first resumed trial on, no more trials are waited for

    def begin(self, number: int, params: Params) -> None:
        self._params[number], self._epochs[number] = params, 0

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        self._epochs[number] = epoch
        loss = self._loss.of(metrics)
        if loss is None or epoch % self._interval or epoch < self._grace_period:
            return CONTINUE
        self._losses.setdefault(epoch, {})[number] = loss
        if epoch <= self._milestones.get(number, 0):  # cloned from an older checkpoint, it comes here again
            return CONTINUE
        self._milestones[number] = epoch
        return PAUSE

    def end(self, number: int, state: State) -> None:
        self._over.add(number)

    def resume(self, paused: Sequence[int], idle: bool) -> dict[int, Decision]:
        ready = [number for number in paused if idle or self._ready(self._milestones[number])]
        return {number: self._decide(number) for number in ready[:1]}

    def resumed(self, number: int, decision: Decision) -> None:
        self._started = True
        if decision.params is not None:
            self._params[number] = decision.params

    def _ready(self, milestone: int) -> bool:
        """Return whether enough trials have reached a milestone, or no more can."""
        coming = sum(self._epochs[number] < milestone for number in self._params if number not in self._over)
        reached = len(self._losses[milestone])
        begun = self._started or len(self._params) >= self._size
        return begun and (reached >= MIN_RANKED or reached + coming < MIN_RANKED)

    def _decide(self, number: int) -> Decision:
        milestone = self._milestones[number]
        losses = self._losses[milestone]
        ranking = sorted(losses, key=lambda other: (losses[other], other))
        quarter = len(ranking) // MIN_RANKED
        if number == self._spared or number not in ranking[len(ranking) - quarter :]:
            return CONTINUE
        better = [other for other in ranking[:quarter] if losses[other] < losses[number]]
        donors = [other for other in better if other not in self._over]
        if not donors:
            return CONTINUE
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, number, milestone]))
        donor = donors[int(rng.integers(len(donors)))]
        place = f"in the worst quarter of {len(ranking)} at {self._unit} {milestone}"
        reason = f"{place}, continues from trial {donor}"
        return Decision(Action.CLONE, reason, donor, self._explored(number, donor, rng))

    def _explored(self, number: int, donor: int, rng: np.random.Generator) -> Params:
        """Return settings for a trial that continues from the donor's checkpoint."""
        return perturbed(self._space, self._params[donor], rng)
