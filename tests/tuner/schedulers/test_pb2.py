"""PB2: the kernel in closed form, the data of the model, and the params that it proposes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.tuner.support.curves import trained
from tests.tuner.support.studies import toy_study
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.pb2 import PB2, single_numbers
from tuner.schedulers.pb2_model import GainModel, _OverSettings, _OverTime, most_promising
from tuner.schedulers.scheduler import Action, Decision

SCHEDULER = {"name": "pb2", "interval": 2}


def bandit(size: int = 4, **changes: Any) -> PB2:
    content = {"search": {"x": {"float": [0, 1]}}, "trials": size, "epochs": 12, "scheduler": SCHEDULER}
    scheduler = build_scheduler(toy_study(**{**content, **changes}))
    assert isinstance(scheduler, PB2)
    return scheduler


def test_the_kernel_is_that_of_the_paper() -> None:
    rng, forgetting = np.random.default_rng(0), 0.3
    rows = np.column_stack([rng.integers(1, 9, 6), rng.random((6, 3))])
    kernel = _OverSettings(0.4) * _OverTime(-2 / math.log(1 - forgetting), nu=0.5)
    squares = ((rows[:, None, 1:] - rows[None, :, 1:]) ** 2).sum(-1)
    times = np.abs(rows[:, None, 0] - rows[None, :, 0])
    assert kernel(rows) == pytest.approx(np.exp(-squares / (2 * 0.4**2)) * (1 - forgetting) ** (times / 2))


def told(peak_at: dict[int, float]) -> GainModel:
    """At each time gains of 20 settings that are best at one place."""
    gains, rng = GainModel(), np.random.default_rng(1)
    for time, peak in peak_at.items():
        for x in rng.random(20):
            gains.add(time, np.array([x]), math.exp(-20 * (x - peak) ** 2))
    return gains


def chosen(gains: GainModel, trying: list[tuple[float, Any]], time: float) -> float:
    return float(most_promising(gains, trying, time, np.array([0.5]), np.random.default_rng(2))[0])


def test_the_setting_that_gained_most_is_chosen() -> None:
    assert chosen(told({1: 0.7}), [], 2) == pytest.approx(0.7, abs=0.1)


def test_what_gained_lately_counts_more_than_what_gained_long_ago() -> None:
    assert chosen(told({1: 0.2, 30: 0.8}), [], 31) == pytest.approx(0.8, abs=0.1)


def test_settings_that_are_being_tried_leave_less_to_learn() -> None:
    gains = GainModel()
    for x, gain in ((0.2, 1.0), (0.8, 1.0), (0.5, -1.0), (0.45, -1.0)):
        gains.add(1, np.array([x]), gain)
    first = chosen(gains, [], 2)
    second = chosen(gains, [(2, np.array([first]))] * 5, 2)
    assert abs(second - first) > 0.2


def test_a_gain_is_what_the_cost_fell_a_report_and_after_a_move_from_where_the_donor_stood() -> None:
    scheduler = bandit()
    for number in range(4):
        scheduler.begin(number, {"x": 0.1 * number})
        scheduler.report(number, 1, {"dev/loss": 9.0})
        scheduler.report(number, 2, {"dev/loss": 1.0 + number})
    assert len(scheduler._gains) == 0  # nothing was measured before
    scheduler.report(0, 3, {"dev/loss": 0.7})
    scheduler.resumed(3, Decision(Action.CLONE, "", 0, {"x": 0.9}))
    scheduler.report(3, 4, {"dev/loss": 0.5})  # the donor's state of epoch 3, of cost 0.7
    scheduler.report(1, 4, {"dev/loss": 1.0})
    assert [list(row) for row in scheduler._gains._rows] == [[2, 0.9], [2, pytest.approx(0.1)]]
    assert scheduler._gains._gains == pytest.approx([0.2, 0.5])


def test_only_dimensions_of_one_number_are_chosen_by_the_model() -> None:
    assert list(single_numbers(toy_study().space)) == ["x", "optim.rate", "width"]


def test_without_numbers_it_is_population_based_training() -> None:
    search = {"kind": {"choice": ["a", "b", "c"]}, "cuts": {"cuts": {"positions": 5, "count": [1, 3]}}}
    moves = []
    for name in ("pb2", "pbt"):
        scheduler = build_scheduler(
            toy_study(search=search, trials=4, epochs=12, scheduler={**SCHEDULER, "name": name})
        )
        for number in range(4):
            scheduler.begin(number, {"kind": "a", "cuts": [1, 3]})
        for epoch in (2, 4, 6):
            for number in range(4):
                scheduler.report(number, epoch, {"dev/loss": number + 1 / epoch})
        moves.append(scheduler.resume([3], idle=True))
    assert moves[0] == moves[1]


@pytest.mark.slow
def test_it_follows_a_best_setting_that_moves() -> None:
    best = {
        name: np.mean([min(trained(seed, {"name": name, "interval": 4}).loss) for seed in range(3)])
        for name in ("none", "pb2")
    }
    assert best["pb2"] < best["none"] - 0.05
