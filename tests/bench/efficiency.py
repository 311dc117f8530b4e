"""Epochs to the quality that a random search reaches with 100 full trials, by method, on HPOLib's tables.

    python -m tests.bench efficiency
    python -m tests.bench.efficiency --seeds 20 > tests/bench/results/efficiency.md

Final losses are real, learning curves are not (see `tests.bench.tabular`). All methods but the last run
through the project's own controller, searcher and scheduler, one trial at a time; the last is Optuna alone.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from tests.bench.side_by_side import Row, table
from tests.bench.simulated import Simulated
from tests.bench.tabular import FULL, REGIMES, SETS, Curves, Table, load
from tuner.searchers.optuna_samplers import optuna_distribution
from tuner.study.study import Study

TRIALS, SEEDS, PROCESSES = 100, 8, 2
BUDGET = TRIALS * FULL
TOP = 0.001
FIRST = BUDGET // 2  # early-discarding: half of the budget for first reports, the rest for whole trials

METHODS: dict[str, dict[str, Any]] = {
    "random": {"sampler": "random", "scheduler": {"name": "none"}},
    "random + asha": {"sampler": "random", "scheduler": {"name": "asha"}},
    "one epoch, then the best": {
        "sampler": "random", "trials": FIRST,
        "scheduler": {"name": "early-discarding", "reduction_factor": FIRST / (FIRST // (FULL - 1) - 0.5)},
    },
    "tpe": {"sampler": "tpe", "scheduler": {"name": "none"}},
    "tpe + median": {"sampler": "tpe", "scheduler": {"name": "median"}},
    "tpe + asha, not adaptive": {"sampler": "tpe", "scheduler": {"name": "asha", "min_rank_correlation": -1}},
    "tpe + asha (default)": {"sampler": "tpe", "scheduler": {"name": "asha"}},
    "the same, 20 trials at random": {
        "sampler": "tpe", "sampling": {"startup": 20}, "scheduler": {"name": "asha"},
    },
    "the same, reduction 4": {"sampler": "tpe", "scheduler": {"name": "asha", "reduction_factor": 4}},
}  # fmt: skip
DEFAULT, ALONE, BASELINE, OUTSIDE = "tpe + asha (default)", "tpe", "one epoch, then the best", "optuna alone"


@dataclass(frozen=True)
class Found:
    """One search: epochs until its best complete trial was as good as the target, as the top; inf: never."""

    target: float
    top: float
    trials: int


def target_of(table: Table, quantile: float) -> float:
    return float(np.quantile(table.values, quantile))


MEDIAN_OF_RANDOM = 1 - 0.5 ** (1 / TRIALS)  # half of all draws of 100 have one among the best so many


def found(method: str, data: str, regime: str, seed: int) -> Found:
    """One search on one data set; no two searches of a method begin with the same draws."""
    table = load(data)
    seed = seed * len(SETS) + list(SETS).index(data)
    curves = Curves(table, regime, seed)
    play = _alone if method == OUTSIDE else partial(_ours, METHODS[method])
    targets = [target_of(table, quantile) for quantile in (MEDIAN_OF_RANDOM, TOP)]
    reached, trials = [math.inf, math.inf], 0
    for spent, last, begun in play(table, curves, seed):
        trials = begun
        for place, target in enumerate(targets):
            if last <= target and spent < reached[place]:
                reached[place] = spent
        if math.isfinite(reached[-1]):  # what follows is in no figure
            break
    return Found(*reached, trials)


Complete = Iterator[tuple[int, float, int]]  # epochs spent, a last report, trials begun


def _study(table: Table, settings: dict[str, Any], seed: int) -> Study:
    sampling = settings.get("sampling", {})
    content = {
        "name": "efficiency", "trial": "tests.bench.efficiency:none", "epochs": FULL, "search": table.space(),
        "metric": {"name": "loss", "mode": "min"}, "trials": settings.get("trials", BUDGET),
        "sampler": {"name": settings["sampler"], "seed": seed, **sampling},
        "scheduler": settings["scheduler"],
    }  # fmt: skip
    return Study.model_validate(content)


def _ours(settings: dict[str, Any], table: Table, curves: Curves, seed: int) -> Complete:
    search = Simulated(_study(table, settings, seed), curves)
    while search.reports < BUDGET and (number := search.step()) is not None:
        trials = search.controller.record.trials
        if trials[number].epoch == FULL:
            yield search.reports, trials[number].value, len(trials)


def _alone(table: Table, curves: Curves, seed: int) -> Complete:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    encoded = _study(table, METHODS[DEFAULT], seed).space
    space = {
        name: optuna_distribution(distribution) for name, distribution in encoded.distributions().items()
    }
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
    spent, begun = 0, 0
    while spent < BUDGET:
        trial, begun = study.ask(space), begun + 1
        params, value, pruned = encoded.decode(trial.params), math.nan, False
        for epoch in range(1, FULL + 1):
            value, spent = curves(params, epoch), spent + 1
            trial.report(value, epoch)
            if epoch < FULL and (pruned := trial.should_prune()):
                break
        if pruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)
            yield spent, value, begun


TrialTask = tuple[str, str, str, int]  # method, data set, regime, seed


def tasks(seeds: Sequence[int]) -> list[TrialTask]:
    """All searches, seed by seed; whole trials are the same in every regime."""
    methods = [*METHODS, OUTSIDE]
    whole = {name for name, settings in METHODS.items() if settings["scheduler"]["name"] == "none"}
    every = product(seeds, SETS, REGIMES, methods)
    return [(name, data, regime, seed) for seed, data, regime, name in every if name not in whole] + [
        (name, data, next(iter(REGIMES)), seed) for seed in seeds for data in SETS for name in sorted(whole)
    ]


def searched(task: TrialTask) -> tuple[TrialTask, Found]:
    return task, found(*task)


Results = dict[tuple[str, str], dict[str, list[Found]]]  # method and regime -> data set -> searches


def gathered(done: Iterable[tuple[TrialTask, Found]]) -> Results:
    results: Results = {}
    for (name, data, regime, _), each in done:
        alike = name in METHODS and METHODS[name]["scheduler"]["name"] == "none"
        for every in REGIMES if alike else (regime,):
            results.setdefault((name, every), {}).setdefault(data, []).append(each)
    return results


def speedups(sets: dict[str, list[Found]]) -> list[float]:
    """BUDGET over the epochs to the target, of every search; 0 where it was not reached."""
    return [BUDGET / each.target for each_set in sets.values() for each in each_set]


def spread(sets: dict[str, list[Found]]) -> str:
    """Quartiles over searches, medians by data set, and how often the top was reached, in words."""
    low, high = np.quantile(speedups(sets), [0.25, 0.75])
    by_set = ", ".join(f"{np.median(speedups({name: sets[name]})):.1f}" for name in SETS)
    top = np.mean([math.isfinite(each.top) for each_set in sets.values() for each in each_set])
    missed = np.mean(np.equal(speedups(sets), 0))
    return f"quartiles {low:.1f}-{high:.1f}; by set {by_set}; top 0.1 % {top:.0%}; never {missed:.0%}"


def rows_of(results: Results) -> list[Row]:
    """One row a method and regime, and what the default is beside the search without a scheduler."""
    rows = []
    for regime, name in product(REGIMES, [*METHODS, OUTSIDE]):
        sets = results[name, regime]
        ratio = float(np.median(speedups(sets)))
        epochs = BUDGET / ratio if ratio else math.inf
        goal = 7 if name == DEFAULT else None
        figure = f"epochs to the quality of random@{TRIALS}, curves {regime}: {name}"
        rows.append(Row(figure, epochs, BUDGET, "epochs", ratio, goal, spread(sets)))
    for regime, (other, goal) in product(REGIMES, ((ALONE, 1), (BASELINE, 3))):
        ours, theirs = (float(np.median(speedups(results[name, regime]))) for name in (DEFAULT, other))
        figure = f"epochs, curves {regime}: {DEFAULT} beside {other}"
        rows.append(Row(figure, BUDGET / ours, BUDGET / theirs, "epochs", ours / theirs, goal, ""))
    return rows


def rows(seeds: int = SEEDS) -> list[Row]:
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        done = list(pool.imap(searched, tasks(range(seeds)), chunksize=4))
    return rows_of(gathered(done))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    print(table(rows(parser.parse_args().seeds)))


if __name__ == "__main__":
    main()
