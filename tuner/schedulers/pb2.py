"""PBT based bandits: population based training whose numbers are chosen by a Gaussian process.

Which settings help changes while training goes on. So what a trial gained from one milestone to the next is
modelled over time and settings, and a trial that moves gets the settings with the highest upper confidence
bound of the gain.

Searcher: Parker-Holder et al. 2020, "Provably Efficient Online Hyperparameter Optimization with
PBT-Based Bandits" (PB2).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tuner.journal.record import State
from tuner.schedulers.explore import from_unit, perturbed, to_unit
from tuner.schedulers.pb2_model import GainModel, most_promising
from tuner.schedulers.pbt import LEAST, PBT
from tuner.schedulers.scheduler import Decision
from tuner.space.distributions import NumberDistribution
from tuner.space.space import Params, SearchSpace
from tuner.study.study import Study


class PB2(PBT):
    """Chooses numbers by the model once it has data; labels and cuts as in `PBT`.

    Args:
        study: as for `PBT`.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self._numbers = single_numbers(study.space)
        self._seen: dict[int, dict[int, float]] = {}  # trial -> report -> cost
        self._since: dict[int, tuple[int, float]] = {}  # trial -> report and cost from which it gains
        self._donors: dict[int, int] = {}  # of trials that moved and have not reported since
        self._trying: dict[int, int] = {}  # trial -> milestone at which its gain will be known
        self._gains = GainModel()

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        cost = self._loss.of(metrics)
        if cost is not None:
            self._note(number, epoch, cost)
        return super().report(number, epoch, metrics)

    def end(self, number: int, state: State) -> None:
        super().end(number, state)
        self._trying.pop(number, None)

    def resumed(self, number: int, decision: Decision) -> None:
        super().resumed(number, decision)
        self._trying[number] = self._milestones[number] + self._interval
        if decision.donor is not None:
            self._donors[number] = decision.donor

    def _note(self, number: int, epoch: int, cost: float) -> None:
        """Keep a cost; at a milestone also what was gained since the last one."""
        if number in self._donors:
            self._begin_from(self._donors.pop(number), number, epoch - 1)
        self._seen.setdefault(number, {})[epoch] = cost
        if epoch % self._interval:
            return
        if number in self._since:
            before, then = self._since[number]
            gain = (then - cost) / (epoch - before)
            self._gains.add(epoch / self._interval, self._place(self._points[number]), gain)
        self._since[number] = (epoch, cost)
        self._trying.pop(number, None)

    def _begin_from(self, donor: int, number: int, epoch: int) -> None:
        """A moved trial gains from where its donor stood when its state was saved."""
        self._since.pop(number, None)
        if epoch in self._seen.get(donor, {}):
            self._seen.setdefault(number, {})[epoch] = self._seen[donor][epoch]
            self._since[number] = (epoch, self._seen[donor][epoch])

    def _explored(self, number: int, donor: int, rng: np.random.Generator) -> Params:
        near = perturbed(self._space, self._points[donor], rng)
        if not self._numbers or len(self._gains) < LEAST:
            return near
        trying = [
            (milestone / self._interval, self._place(self._points[other]))
            for other, milestone in self._trying.items()
            if other != number
        ]
        now = self._milestones[number] / self._interval + 1
        chosen = most_promising(self._gains, trying, now, self._place(self._points[donor]), rng)
        encoded = self._space.encode(near)
        numbers = zip(self._numbers.items(), chosen, strict=True)
        return self._space.decode(
            encoded | {name: from_unit(distribution, unit) for (name, distribution), unit in numbers}
        )

    def _place(self, params: Mapping[str, object]) -> NDArray[np.float64]:
        """A params's numbers in the unit cube."""
        values = self._space.encode(params)
        return np.array([to_unit(distribution, values[name]) for name, distribution in self._numbers.items()])


def single_numbers(space: SearchSpace) -> dict[str, NumberDistribution]:
    """The encoded that are a dimension by themselves and a number."""
    encoded = space.distributions()
    return {
        path: distribution
        for path in space.dimensions
        if isinstance(distribution := encoded.get(path), NumberDistribution)
    }
