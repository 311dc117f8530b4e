"""Decisions of Ray's schedulers behind the adapter, beside the same rules written down independently."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import ASHAScheduler

from tests.tuner.support.scheduler_scripts import replayed
from tests.tuner.support.studies import toy_study
from tuner.journal.record import State
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.rungs import Ladder
from tuner.schedulers.scheduler import Action
from tuner.study.study import Study

Report = tuple[int, int, float]  # trial, epoch, value
TRIALS, EPOCHS = 60, 12
MODES, REDUCTIONS, GRACES = ("min", "max"), (2, 3, 4), (1, 2, 3)


def study_of(name: str, mode: str, grace_period: int, reduction_factor: float = 3) -> Study:
    scheduler = {
        "name": name, "grace_period": grace_period, "reduction_factor": reduction_factor,
        "min_rank_correlation": -1,
    }  # fmt: skip
    metric = {"name": "dev/loss", "mode": mode}
    return toy_study(
        search={"x": {"float": [0, 1]}}, trials=TRIALS, epochs=EPOCHS, metric=metric, scheduler=scheduler
    )


def reports(seed: int) -> Iterator[Report]:
    """Reports of 60 trials, four at a time in random order, with ties, some trials ending early."""
    rng = np.random.default_rng(seed)
    running, waiting, epochs = list(range(4)), list(range(4, TRIALS)), [0] * TRIALS
    quality = rng.normal(0, 0.3, TRIALS)
    while running:
        number = int(rng.choice(running))
        epochs[number] += 1
        yield number, epochs[number], round(float(quality[number] + rng.normal(0, 0.3)), 1 + seed % 2)
        if epochs[number] == EPOCHS or rng.random() < 0.04:
            running.remove(number)
            running += [waiting.pop(0)] if waiting else []


def decisions_of(study: Study, script: list[Report]) -> list[bool]:
    """Return for each report but last ones whether the scheduler stops the trial."""
    scheduler, begun, decisions = build_scheduler(study), set[int](), list[bool]()
    for number, epoch, value in script:
        if number not in begun:
            scheduler.begin(number, {})
            begun.add(number)
        decision = scheduler.report(number, epoch, {"dev/loss": value})
        if epoch == EPOCHS:
            assert decision.action is Action.CONTINUE
            scheduler.end(number, State.COMPLETE)
        else:
            decisions.append(decision.action is Action.STOP)
    return decisions


def halving(script: list[Report], mode: str, grace_period: int, reduction_factor: float) -> list[bool]:
    """Successive halving: compare with the quantile of the values before at the highest rung reached."""
    sign = 1 if mode == "max" else -1
    milestones = [m for k in range(9) if (m := grace_period * reduction_factor**k) <= EPOCHS]
    rungs: dict[float, dict[int, float]] = {milestone: {} for milestone in milestones}
    decisions = []
    for number, epoch, value in script:
        entered = [m for m in milestones if epoch >= m and number not in rungs[m]]
        rung = rungs[entered[-1]] if entered else {}
        poor = bool(rung) and sign * value < np.quantile(list(rung.values()), 1 - 1 / reduction_factor)
        rung[number] = sign * value
        decisions += [poor] if epoch < EPOCHS else []
    return decisions


def median_rule(script: list[Report], mode: str, grace_period: int) -> list[bool]:
    """Median stopping: compare the best value with the median of averages since the grace period."""
    sign, seen = 1 if mode == "max" else -1, dict[int, dict[int, float]]()
    decisions = []
    for number, epoch, value in script:
        seen.setdefault(number, {})[epoch] = sign * value
        averages = [
            np.mean([v for e, v in values.items() if grace_period <= e <= epoch])
            for other, values in seen.items()
            if other != number and max(values) >= epoch >= grace_period
        ]
        poor = len(averages) >= 3 and max(seen[number].values()) < np.median(averages)
        decisions += [poor] if epoch < EPOCHS else []
    return decisions


@pytest.mark.parametrize(("mode", "grace", "reduction"), list(product(MODES, GRACES, REDUCTIONS)))
def test_asha_decides_as_successive_halving_written_down_independently(
    mode: str, grace: int, reduction: int
) -> None:
    scripts = [list(reports(seed)) for seed in range(4)]
    for script in scripts:
        decisions = decisions_of(study_of("asha", mode, grace, reduction), script)
        assert decisions == halving(script, mode, grace, reduction)
        assert 5 < sum(decisions) < len(decisions)
    assert sum(map(len, scripts)) > 1500


@pytest.mark.parametrize(("mode", "grace"), list(product(MODES, GRACES)))
def test_median_decides_as_the_median_rule_written_down_independently(mode: str, grace: int) -> None:
    for seed in range(4):
        script = list(reports(seed))
        decisions = decisions_of(study_of("median", mode, grace), script)
        assert decisions == median_rule(script, mode, grace)
        assert 5 < sum(decisions) < len(decisions)


@pytest.mark.parametrize("name", ["asha", "median"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_replay_of_the_first_half_decides_the_second_half_as_the_uninterrupted_search(
    name: str, seed: int
) -> None:
    study = study_of(name, "min", 1, 2)
    calls: list[tuple[str, tuple[Any, ...]]] = []
    for number, epoch, value in reports(seed):
        calls += [("begin", (number, {}))] if epoch == 1 else []
        calls.append(("report", (number, epoch, {"dev/loss": value})))
    half = len(calls) // 2
    uninterrupted, resumed = replayed(study, calls[:half]), replayed(study, calls[:half])
    for call, arguments in calls[half:]:
        assert getattr(resumed, call)(*arguments) == getattr(uninterrupted, call)(*arguments)
    assert resumed.diagnostics() == uninterrupted.diagnostics()


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_value_that_is_not_finite_is_not_ranked(name: str) -> None:
    scheduler = build_scheduler(study_of(name, "max", 1))
    for number, value in enumerate([math.inf, math.nan, -math.inf, math.inf, 0.1, 0.2, 0.3, 0.15]):
        scheduler.begin(number, {})
        stopped = scheduler.report(number, 1, {"dev/loss": value}).action is Action.STOP
        assert not stopped or number >= 4
    assert stopped


def test_the_rungs_are_those_of_rays_scheduler() -> None:
    for grace, reduction, full in product((1, 2, 3, 4), (1.1, 1.5, 2.0, 3.0, 4.0, 10.0), range(4, 130)):
        ray = ASHAScheduler(max_t=full, grace_period=grace, reduction_factor=reduction)
        milestones = [milestone for milestone, _ in reversed(ray._brackets[0]._rungs)]
        assert [rung.milestone for rung in Ladder(grace, reduction, full, 0.5).rungs] == milestones


def test_the_factory_imports_no_ray_before_a_study_needs_it() -> None:
    program = "import sys, tuner.study.load, tuner.schedulers.factory; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
