"""The race of the finalists over seeds: which candidates stay, which one wins, how certain that is.

Shapes: S seeds that a candidate completed; R seeds that two candidates both completed.

Source: F-race (Birattari et al. 2002), with a paired t-test in place of ranks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tuner.statistics import Comparison, clearly_worse, compare, interval, spread

LEAST = 3  # seeds that every candidate runs: fewer give no usable estimate of the spread

Values = Mapping[int, Mapping[int, float]]  # candidate -> seed -> metric, NaN for a failed run


@dataclass(frozen=True)
class SeedCandidate:
    """One configuration over its seeds.

    Attributes:
        number: its trial in the search.
        values: seed -> metric, of its complete runs.
        failed: number of failed runs.
        dropped: number of seeds after which it was dropped, None if it was not.
    """

    number: int
    values: dict[int, float] = field(default_factory=dict)
    failed: int = 0
    dropped: int | None = None

    @property
    def mean(self) -> float:
        """Return the mean of the metric; NaN without a run."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    @property
    def error(self) -> float:
        """Return the standard error of the mean; NaN with fewer than two runs."""
        count = len(self.values)
        return float(np.std(list(self.values.values()), ddof=1)) / math.sqrt(count) if count > 1 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the mean by Student's t; NaN if there is none."""
        return interval(list(self.values.values()))


@dataclass(frozen=True)
class SeedRace:
    """State of a race.

    Attributes:
        seeds: seeds of the rounds that are over, in which every remaining candidate has ended its run.
        candidates: all candidates over these seeds, the best first.
        over: whether nothing is left to run.
    """

    seeds: list[int]
    candidates: list[SeedCandidate]
    over: bool

    @property
    def standing(self) -> list[int]:
        """Return the candidates that have not been dropped."""
        return [each.number for each in self.candidates if each.dropped is None]


@dataclass(frozen=True)
class SeedVerdict:
    """Result of a race.

    Attributes:
        race: all candidates.
        winner: the candidate with the best mean made worse by its standard error.
        runner_up: the next candidate, None if no other has two runs.
        difference: the runner-up minus the winner on the seeds of both.
        runs: number of runs that ended, including failed ones and those of an unfinished round.
        ended: why the race ended early, or "".
    """

    race: SeedRace
    winner: SeedCandidate
    runner_up: SeedCandidate | None
    difference: Comparison | None
    runs: int
    ended: str = ""


def run_race(
    candidates: Sequence[int], seeds: Sequence[int], values: Values, level: float, mode: str
) -> SeedRace:
    """Compute the state of a race from its runs; it depends on which runs have ended, not on their order.

    Args:
        candidates: trial numbers, the best of the search first.
        seeds: all seeds that may be run, in order.
        values: the runs that have ended.
        level: level of the test: how often a candidate as good as the best is dropped after a seed.
        mode: "min" or "max".
    """
    dropped: dict[int, int] = {}
    done: list[int] = []
    for seed in seeds:
        standing = [each for each in candidates if each not in dropped]
        if len(standing) < 2 or any(seed not in values.get(each, {}) for each in standing):
            break
        done.append(seed)
        if LEAST <= len(done) < len(seeds):
            at = [_candidate(each, done, values) for each in standing]
            dropped |= dict.fromkeys(_to_drop(at, level, mode), len(done))
    rows = [_candidate(each, done[: dropped.get(each)], values, dropped.get(each)) for each in candidates]
    over = len(done) == len(seeds) or len(candidates) - len(dropped) < 2
    return SeedRace(done, sorted(rows, key=lambda row: (row.dropped is not None, _rank(row, mode))), over)


def verdict(race: SeedRace, values: Values, mode: str, ended: str = "") -> SeedVerdict | None:
    """Return the verdict, or None if no candidate has two runs over full rounds; arguments as `run_race`."""
    ranked = [each for each in race.candidates if len(each.values) > 1]
    if not ranked or ranked[0].dropped is not None:
        return None
    winner, runner_up = ranked[0], ranked[1] if len(ranked) > 1 else None
    difference = None
    if runner_up is not None:
        names = {str(each.number): each.values for each in (winner, runner_up)}
        difference = compare(names, str(runner_up.number), str(winner.number))
    return SeedVerdict(race, winner, runner_up, difference, sum(map(len, values.values())), ended)


def _candidate(
    number: int, seeds: Sequence[int], values: Values, dropped: int | None = None
) -> SeedCandidate:
    runs = {seed: values[number][seed] for seed in seeds}
    ended = {seed: value for seed, value in runs.items() if math.isfinite(value)}
    return SeedCandidate(number, ended, len(runs) - len(ended), dropped)


def _rank(candidate: SeedCandidate, mode: str) -> float:
    """Return the mean made worse by its standard error, lower is better; inf without a standard error."""
    bound = candidate.mean + candidate.error if mode == "min" else candidate.error - candidate.mean
    return bound if math.isfinite(bound) else math.inf


def _to_drop(standing: Sequence[SeedCandidate], level: float, mode: str) -> list[int]:
    """Return the candidates to drop: no complete run, or clearly worse than the best on common seeds."""
    sign = 1.0 if mode == "min" else -1.0
    best = min(standing, key=lambda each: _rank(each, mode))
    behind = {
        each.number: [sign * (each.values[s] - best.values[s]) for s in each.values if s in best.values]
        for each in standing
        if each is not best
    }
    deviation, freedom = spread(list(behind.values()))
    return [
        each.number
        for each in standing
        if not each.values
        or (each is not best and clearly_worse(behind[each.number], deviation, freedom, level))
    ]
