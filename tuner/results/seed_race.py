"""How finalists are told apart: which go on after a seed, which one wins, how sure that is.

Shapes: S seeds that a candidate ran to the end; R seeds that two candidates both did.

Searcher: racing by F-race (Birattari et al. 2002), with a paired t-test in place of ranks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tuner.statistics import Comparison, clearly_worse, compare, interval, spread

LEAST = 3  # seeds that everybody runs: with fewer there is no spread to speak of

Values = Mapping[int, Mapping[int, float]]  # candidate -> seed -> metric, NaN of a run that failed


@dataclass(frozen=True)
class SeedCandidate:
    """One configuration over its seeds.

    Attributes:
        number: its trial in the search.
        values: seed -> metric, of its runs that came to the end.
        failed: runs that did not.
        dropped: how many seeds it ran before it was out of the race, None where it stayed.
    """

    number: int
    values: dict[int, float] = field(default_factory=dict)
    failed: int = 0
    dropped: int | None = None

    @property
    def mean(self) -> float:
        """Mean of the metric; NaN without a run."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN with fewer than two runs."""
        count = len(self.values)
        return float(np.std(list(self.values.values()), ddof=1)) / math.sqrt(count) if count > 1 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean by Student's t; NaN where there is none."""
        return interval(list(self.values.values()))


@dataclass(frozen=True)
class SeedRace:
    """A race as far as it has got.

    Attributes:
        seeds: of the rounds that are over: every candidate that stood has ended its run.
        candidates: every one over these seeds, the best first.
        over: whether nothing is left to run.
    """

    seeds: list[int]
    candidates: list[SeedCandidate]
    over: bool

    @property
    def standing(self) -> list[int]:
        """The candidates that go on."""
        return [each.number for each in self.candidates if each.dropped is None]


@dataclass(frozen=True)
class SeedVerdict:
    """What the finals say.

    Attributes:
        course: all candidates.
        winner: the one with the best mean + standard error.
        runner_up: the next one, None where no other has two runs.
        difference: the runner-up less the winner on the seeds of both.
        runs: that came to an end, failed ones and those of a round that was cut short included.
        ended: why the race did not come to its end, or "".
    """

    course: SeedRace
    winner: SeedCandidate
    runner_up: SeedCandidate | None
    difference: Comparison | None
    runs: int
    ended: str = ""


def course(
    candidates: Sequence[int], seeds: Sequence[int], values: Values, level: float, mode: str
) -> SeedRace:
    """The race seen from its beginning: a function of what ended, not of when.

    Args:
        candidates: trial numbers, the search's best first.
        seeds: all that may be run, in their order.
        values: what has ended so far.
        level: of the test, the chance that a candidate as good as the best is dropped after one seed.
        mode: whether a lower ("min") or a higher metric is better.
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
            dropped |= dict.fromkeys(_lost(at, level, mode), len(done))
    rows = [_candidate(each, done[: dropped.get(each)], values, dropped.get(each)) for each in candidates]
    over = len(done) == len(seeds) or len(candidates) - len(dropped) < 2
    return SeedRace(done, sorted(rows, key=lambda row: (row.dropped is not None, _rank(row, mode))), over)


def verdict(run: SeedRace, values: Values, mode: str, ended: str = "") -> SeedVerdict | None:
    """Who wins, or None where no candidate has two runs over full rounds; arguments as for `course`."""
    able = [each for each in run.candidates if len(each.values) > 1]
    if not able or able[0].dropped is not None:
        return None
    winner, runner_up = able[0], able[1] if len(able) > 1 else None
    difference = None
    if runner_up is not None:
        names = {str(each.number): each.values for each in (winner, runner_up)}
        difference = compare(names, str(runner_up.number), str(winner.number))
    return SeedVerdict(run, winner, runner_up, difference, sum(map(len, values.values())), ended)


def _candidate(
    number: int, seeds: Sequence[int], values: Values, dropped: int | None = None
) -> SeedCandidate:
    runs = {seed: values[number][seed] for seed in seeds}
    ended = {seed: value for seed, value in runs.items() if math.isfinite(value)}
    return SeedCandidate(number, ended, len(runs) - len(ended), dropped)


def _rank(candidate: SeedCandidate, mode: str) -> float:
    """The mean made worse by its standard error, lower is better; whoever has no error comes last."""
    bound = candidate.mean + candidate.error if mode == "min" else candidate.error - candidate.mean
    return bound if math.isfinite(bound) else math.inf


def _lost(standing: Sequence[SeedCandidate], level: float, mode: str) -> list[int]:
    """Who is out: without any run that ended, or clearly worse than the best on the seeds of both."""
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
