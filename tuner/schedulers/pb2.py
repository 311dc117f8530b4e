"""Population based bandits (PB2): PBT whose numbers are chosen by a Gaussian process.

Which settings help changes during training. So what a trial gained between two milestones is modelled over
time and settings, and a cloned trial gets the settings with the highest upper confidence bound of the gain.
Own code for the reasons given in `tuner.schedulers.pbt`: Ray's PB2 is built on Ray's PBT.

Source: Parker-Holder et al. 2020, "Provably Efficient Online Hyperparameter Optimization with
Population-Based Bandits".

Shapes: D searched numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tuner.journal.record import State
from tuner.schedulers.explore import from_unit, perturbed, to_unit
from tuner.schedulers.pb2_model import GainModel, most_promising
from tuner.schedulers.pbt import MIN_RANKED, PBT
from tuner.schedulers.scheduler import Decision
from tuner.space.distributions import NumberDistribution
from tuner.space.space import Params, SearchSpace
from tuner.study.study import Study


class PB2(PBT):
    """Chooses numbers by the model once it has data; choices and cuts as `PBT` does.

    Args:
        study: as for `PBT`.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self._numbers = single_numbers(study.space)
        self._history: dict[int, dict[int, float]] = {}  # trial -> report -> loss
        self._since: dict[int, tuple[int, float]] = {}  # trial -> report and loss from which it gains
        self._donors: dict[int, int] = {}  # of clones that have not reported since
        self._pending: dict[int, int] = {}  # trial -> milestone at which its gain will be known
        self._gains = GainModel()

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        loss = self._loss.of(metrics)
        if loss is not None:
            self._note(number, epoch, loss)
        return super().report(number, epoch, metrics)

    def end(self, number: int, state: State) -> None:
        super().end(number, state)
        self._pending.pop(number, None)

    def resumed(self, number: int, decision: Decision) -> None:
        super().resumed(number, decision)
        self._pending[number] = self._milestones[number] + self._interval
        if decision.donor is not None:
            self._donors[number] = decision.donor

    def _note(self, number: int, epoch: int, loss: float) -> None:
        """Keep a loss; at a milestone also the gain since the last one."""
        if number in self._donors:
            self._begin_from(self._donors.pop(number), number, epoch - 1)
        self._history.setdefault(number, {})[epoch] = loss
        if epoch % self._interval:
            return
        if number in self._since:
            before, then = self._since[number]
            gain = (then - loss) / (epoch - before)
            self._gains.add(epoch / self._interval, self._unit_cube(self._params[number]), gain)
        self._since[number] = (epoch, loss)
        self._pending.pop(number, None)

    def _begin_from(self, donor: int, number: int, epoch: int) -> None:
        """Let a clone gain from the loss that its donor had when its checkpoint was saved."""
        self._since.pop(number, None)
        if epoch in self._history.get(donor, {}):
            self._history.setdefault(number, {})[epoch] = self._history[donor][epoch]
            self._since[number] = (epoch, self._history[donor][epoch])

    def _explored(self, number: int, donor: int, rng: np.random.Generator) -> Params:
        near = perturbed(self._space, self._params[donor], rng)
        if not self._numbers or len(self._gains) < MIN_RANKED:
            return near
        pending = [
            (milestone / self._interval, self._unit_cube(self._params[other]))
            for other, milestone in self._pending.items()
            if other != number
        ]
        time = self._milestones[number] / self._interval + 1
        chosen_D = most_promising(self._gains, pending, time, self._unit_cube(self._params[donor]), rng)
        numbers = {
            name: from_unit(distribution, unit)
            for (name, distribution), unit in zip(self._numbers.items(), chosen_D, strict=True)
        }
        return self._space.decode(self._space.encode(near) | numbers)

    def _unit_cube(self, params: Mapping[str, object]) -> NDArray[np.float64]:
        """Return the numbers among params, each scaled to 0 to 1, (D)."""
        values = self._space.encode(params)
        return np.array([to_unit(distribution, values[name]) for name, distribution in self._numbers.items()])


def single_numbers(space: SearchSpace) -> dict[str, NumberDistribution]:
    """Return the dimensions that are one number each, by path."""
    distributions = space.distributions()
    return {
        path: distribution
        for path in space.dimensions
        if isinstance(distribution := distributions.get(path), NumberDistribution)
    }
