"""The rungs of successive halving, and whether ranks at one of them predict the ranks at the next.

Ray's scheduler decides at each rung as if they did. This measures it, which Ray does not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy

MIN_PAIRS = 8  # a rank correlation of fewer trials is mostly chance


@dataclass
class Rung:
    """The trials that reached a milestone.

    Attributes:
        milestone: reports, may be a fraction; infinity for the last report.
        values: trial -> metric there.
        pairs: trial -> metric there and at the next rung, of the trials that have both.
        stopped: number of trials stopped there.
    """

    milestone: float
    values: dict[int, float] = field(default_factory=dict)
    pairs: dict[int, tuple[float, float]] = field(default_factory=dict)
    stopped: int = 0
    _measured: tuple[int, float | None] = (0, None)  # number of pairs, and their correlation

    def correlation(self) -> float | None:
        """Return Spearman's rank correlation of the pairs; None where it is not defined.

        It is needed at every report of a poor trial and changes only with a new pair, so it is kept.
        """
        if self._measured[0] != len(self.pairs):
            self._measured = (len(self.pairs), _spearman(list(self.pairs.values())))
        return self._measured[1]


class Ladder:
    """The rungs of one search.

    Args:
        grace_period: milestone of the lowest rung, in reports.
        reduction_factor: ratio of two milestones.
        max_reports: reports of a full trial.
        min_correlation: below it a rung is not trusted.

    Attributes:
        rungs: the lowest first.
    """

    def __init__(
        self, grace_period: int, reduction_factor: float, max_reports: int, min_correlation: float
    ) -> None:
        self._max_reports, self._min_correlation = max_reports, min_correlation
        # in the arithmetic of Ray's scheduler, which decides whether a rung at max_reports exists
        count = int(np.log(max_reports / grace_period) / np.log(reduction_factor) + 1)
        self.rungs = [Rung(grace_period * reduction_factor**k) for k in range(count)]
        self._end = Rung(math.inf)

    def enter(self, number: int, report: int, value: float) -> Rung | None:
        """Note a trial's value at the highest rung that it has reached and is not yet in.

        Returns:
            That rung; None where the trial is in all of them. A last report is noted at the end as well.
        """
        if report >= self._max_reports:
            self._note(len(self.rungs), number, value)
        reached = [
            place
            for place, rung in enumerate(self.rungs)
            if report >= rung.milestone and number not in rung.values
        ]
        if not reached:
            return None
        self._note(reached[-1], number, value)
        return self.rungs[reached[-1]]

    def trusts(self, rung: Rung) -> bool:
        """Return whether a rung and all above it predict the ranks at their next rung.

        Ranks that predict those of the next rung are worth nothing if those predict nothing.
        """
        return all(map(self._predicts, self.rungs[self.rungs.index(rung) :]))

    def _predicts(self, rung: Rung) -> bool:
        correlation = rung.correlation() if len(rung.pairs) >= MIN_PAIRS else None
        return correlation is None or correlation >= self._min_correlation

    def _note(self, place: int, number: int, value: float) -> None:
        """Note a value at a rung, and the pairs that it forms with the rungs below and above."""
        ladder = [*self.rungs, self._end]
        ladder[place].values[number] = value
        for below, above in itertools.pairwise(ladder[max(place - 1, 0) : place + 2]):
            if number in below.values and number in above.values:
                below.pairs[number] = (below.values[number], above.values[number])


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    here, next_rung = zip(*pairs, strict=True)
    if len(set(here)) < 2 or len(set(next_rung)) < 2:
        return None
    return float(scipy.stats.spearmanr(here, next_rung).statistic)
