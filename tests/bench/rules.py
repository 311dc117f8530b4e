"""What schedulers find on curves whose truth is known: one budget, one number of trials, a population.

    python -m tests.bench.rules --seeds 40 > tests/bench/results/rules.md

Curves are those of `tests.tuner.support.curves`; four trials run at a time, all reports take equally long.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.tuner.support.curves import FAMILIES, FULL, SUPPLY, trained, winner_of

Row = tuple[list[float], float, float]  # qualities by seed, trials begun, reports spent

ASHA = {"name": "asha", "grace_period": 1, "reduction_factor": 3}
SCHEDULERS: dict[str, dict[str, Any]] = {
    "none": {"name": "none"},
    "early-discarding": {"name": "early-discarding"},
    "median": {"name": "median"},
    "asha, not adaptive": {**ASHA, "min_rank_correlation": -1},
    "asha, adaptive": {**ASHA, "min_rank_correlation": 0.5},
}
BUDGETS, TRIALS = (270, 540, 1080), 60
TEXT = f"""# What schedulers find

`python -m tests.bench.rules`, {{seeds}} seeds, four trials at a time, {FULL} reports a full trial. The true
qualities of trials have mean 0 and deviation 0.1, lower is better; the figure is that of the trial whose last
report is best, mean over seeds with its standard error. Agreeing: quality plus little noise. Noisy start: the
noise at report 1 is ten times the deviation of the qualities and halves with each report. Lucky start: a head
start of six deviations that says nothing of the quality and fades with exp(-(report - 1) / 3). Crossing: what
ends well begins badly, by three times its quality and the luck of one deviation, which fade as fast."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    seeds = range(parser.parse_args().seeds)
    print(TEXT.format(seeds=len(seeds)))
    for budget in BUDGETS:
        print(f"\n## {budget} reports, as many trials as they last for\n")
        _families(seeds, budget)
    print(f"\n## {TRIALS} trials, as many reports as they take\n")
    _families(seeds, None)
    print("\n## A population of 8 whose best setting moves during the training\n")
    print("Last loss of the best trial, 0 at best; random settings that stay: none.\n")
    print("| scheduler | one at a time | four at a time |\n|---|---|---|")
    for name in ("none", "pbt", "pb2"):
        print(f"| {name} | {' | '.join(_population(name, slots, seeds) for slots in (1, 4))} |", flush=True)


def _families(seeds: Sequence[int], budget: int | None) -> None:
    print("| curves | scheduler | quality | trials | reports |\n|---|---|---|---|---|")
    for family in FAMILIES:
        found = {name: _found(family, name, budget, seeds) for name in SCHEDULERS}
        for name, (qualities, trials, reports) in found.items():
            print(f"| {family} | {name} | {_mean(qualities)} | {trials:.0f} | {reports:.0f} |", flush=True)
        gain = np.subtract(found["asha, adaptive"][0], found["asha, not adaptive"][0])
        print(f"| {family} | the last minus the one before, seed by seed | {_mean(gain)} | | |", flush=True)


def _found(family: str, name: str, budget: int | None, seeds: Sequence[int]) -> Row:
    scheduler, trials = dict(SCHEDULERS[name]), SUPPLY if budget else TRIALS
    if (
        name == "early-discarding" and budget
    ):  # about half of the budget for first reports, whole trials for the rest
        kept = max(budget // 2 // (FULL - 1), 4)
        trials = budget - kept * (FULL - 1)
        scheduler["reduction_factor"] = trials / (kept - 0.5)
    reports = budget or SUPPLY * FULL
    found = [winner_of(FAMILIES[family], seed, scheduler, reports, trials) for seed in seeds]
    begun, spent = ([len(play.epochs) for _, play in found], [play.spent for _, play in found])
    return [quality for quality, _ in found], float(np.mean(begun)), float(np.mean(spent))


def _population(name: str, slots: int, seeds: Sequence[int]) -> str:
    scheduler = {"name": name, "interval": 2}
    return _mean([min(trained(seed, scheduler, slots=slots).loss) for seed in seeds])


def _mean(values: Any) -> str:
    return f"{np.mean(values):+.3f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.3f}"


if __name__ == "__main__":
    main()
