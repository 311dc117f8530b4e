"""Rules on curves whose truth is known: what the measure of agreement gains and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.tuner.support.curves import FAMILIES, winner_of

SEEDS, BUDGET = range(8), 540
PLAIN = {"name": "asha", "grace_period": 1, "reduction_factor": 3, "min_rank_correlation": -1}
ADAPTIVE = {**PLAIN, "min_rank_correlation": 0.5}


def winners(family: str, scheduler: dict[str, Any]) -> tuple[float, float, float]:
    """Means over seeds: the winner's quality, trials begun, the correlation measured at the first rung."""
    plays = [winner_of(FAMILIES[family], seed, scheduler, BUDGET) for seed in SEEDS]
    correlations = [play.scheduler.diagnostics()[0]["correlation"] for _, play in plays]
    return (
        float(np.mean([quality for quality, _ in plays])),
        float(np.mean([len(play.epochs) for _, play in plays])),
        float(np.mean(correlations)),
    )


def test_where_curves_cross_the_adaptive_rule_finds_a_better_trial_with_the_same_budget() -> None:
    plain, _, _ = winners("crossing", PLAIN)
    adaptive, _, _ = winners("crossing", ADAPTIVE)
    assert adaptive < plain - 0.05  # half a standard deviation of the trials


def test_where_the_start_is_noise_it_is_seen_and_costs_nothing() -> None:
    plain, _, correlation = winners("noisy start", PLAIN)
    adaptive, _, _ = winners("noisy start", ADAPTIVE)
    assert correlation == pytest.approx(0, abs=0.15)
    assert adaptive < plain + 0.01


def test_where_curves_agree_the_measure_costs_little() -> None:
    plain, begun, _ = winners("agreeing", PLAIN)
    adaptive, begun_adaptive, correlation = winners("agreeing", ADAPTIVE)
    assert correlation > 0.7
    assert adaptive == pytest.approx(plain, abs=0.005)
    assert begun_adaptive > 0.95 * begun


@pytest.mark.parametrize("name", ["median", "asha", "early-discarding"])
def test_where_curves_agree_stopping_early_finds_better_trials_than_none(name: str) -> None:
    trials, reduction = (
        (200, 16) if name == "early-discarding" else (400, 3)
    )  # of 200 the best 13 spend the budget
    scheduler = {"name": name, "reduction_factor": reduction}
    found = [winner_of(FAMILIES["agreeing"], seed, scheduler, BUDGET, trials)[0] for seed in range(20)]
    none = [winner_of(FAMILIES["agreeing"], seed, {"name": "none"}, BUDGET)[0] for seed in range(20)]
    assert np.mean(found) < np.mean(none) - 0.02
