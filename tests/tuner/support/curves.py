"""Learning curves with known truth: early ranks that predict the final ones, and early ranks that do not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.tuner.support.scheduler_scripts import Curve, Play
from tests.tuner.support.studies import toy_study
from tuner.space.space import Params

Floats = np.ndarray[Any, np.dtype[np.float64]]
FULL, SUPPLY = 27, 600
NOISE = 0.02


@dataclass(frozen=True)
class Family:
    """Curves q + h exp(-(epoch - 1) / 3) + noise: quality q (deviation 0.1), a handicap h; lower is better.

    Attributes:
        luck: deviation of the part of h that says nothing of the quality.
        tilt: the rest of h is -tilt * q: what ends well begins badly.
        early: deviation of the noise, beyond NOISE, at epoch 1; it halves with each epoch.
    """

    luck: float = 0.0
    tilt: float = 0.0
    early: float = 0.0

    def draw(self, seed: int) -> tuple[Floats, Curve]:
        """The qualities of SUPPLY trials, and their curves."""
        rng = np.random.default_rng([11, seed])
        quality, luck = rng.normal(0, 0.1, SUPPLY), rng.normal(0, self.luck, SUPPLY)
        noise = rng.normal(0, 1, (SUPPLY, FULL)) * (NOISE + self.early * 0.5 ** np.arange(FULL))

        def curve(number: int, epoch: int, _: object) -> float:
            handicap = (luck[number] - self.tilt * quality[number]) * math.exp(-(epoch - 1) / 3)
            return float(quality[number] + handicap + noise[number, epoch - 1])

        return quality, curve


FAMILIES = {
    "agreeing": Family(),
    "noisy start": Family(early=1.0),
    "lucky start": Family(luck=0.6),
    "crossing": Family(luck=0.1, tilt=3.0),
}


def winner_of(
    family: Family, seed: int, scheduler: dict[str, Any], budget: int, trials: int = SUPPLY
) -> tuple[float, Play]:
    """The true quality of the trial whose last report is best, within a budget of reports; and the search."""
    study = toy_study(epochs=FULL, trials=trials, search={"x": {"float": [0, 1]}}, scheduler=scheduler)
    quality, curve = family.draw(seed)
    play = Play(study, [{"x": 0.5}] * trials, curve, slots=4).run(budget)
    return float(quality[min(play.complete, key=lambda number: play.last[number])]), play


class Training(Play):
    """Training whose best setting moves: at each epoch `x` gains exp(-8 (x - x*)^2) / FULL of a loss of 1.

    x* falls from 0.9 to 0.1 over the training. A trial that moves takes over the donor's loss.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.loss = [1.0] * len(self.points)

    def _value(self, number: int, epoch: int) -> float:
        best = 0.9 - 0.8 * (epoch - 1) / (FULL - 1)
        self.loss[number] -= math.exp(-8 * (self.now[number]["x"] - best) ** 2) / FULL
        return self.loss[number]

    def _move(self, number: int, donor: int, params: Params) -> None:
        super()._move(number, donor, params)
        self.loss[number] = self.loss[donor]


def trained(seed: int, scheduler: dict[str, Any], population: int = 8, slots: int = 1) -> Training:
    """A population trained to its end, from random settings."""
    study = toy_study(
        epochs=FULL, trials=population, search={"x": {"float": [0, 1]}}, scheduler=scheduler,
        sampler={"name": "random", "seed": seed},
    )  # fmt: skip
    rng = np.random.default_rng([12, seed])
    points: list[Params] = [{"x": float(x)} for x in rng.random(population)]
    training = Training(study, points, lambda number, epoch, params: math.nan, slots)
    training.run()
    return training
