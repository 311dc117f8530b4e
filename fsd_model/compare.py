"""Two sets of scores of the same utterances: which detector is better, and whether that is shown.

Both are judged on the same resampled speakers, so what makes a speaker hard for either cancels.

Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 4.4 (p-values).

Shapes: N utterances, R resamples, D = 2 detectors, S figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fsd_model.bootstrap import LEVEL, RESAMPLES, Interval, Statistic, edge, percentile_interval, resample
from fsd_model.dataset import BONAFIDE
from fsd_model.errors import InputError
from fsd_model.ranking import Floats, rank
from fsd_model.resampling import resampling
from fsd_model.scoring import Scores


@dataclass(frozen=True)
class Difference:
    """One figure of both detectors; lower is better.

    Attributes:
        figure: its name.
        a, b: of either detector.
        difference: b - a.
        interval: of the difference, from resamples shared by both.
        p_value: two-sided, of no difference; at most 1 - level exactly where the interval leaves out 0.
    """

    figure: str
    a: float
    b: float
    difference: float
    interval: Interval
    p_value: float

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.interval.low <= 0 <= self.interval.high


def aligned(a: Scores, b: Scores, names: tuple[str, str] = ("A", "B")) -> Scores:
    """`b` in the order of `a`.

    Args:
        a: scores of one detector.
        b: of the other.
        names: of the two, for messages.

    Raises:
        InputError: an utterance is in one alone, or is of another class or attack there; the first is named.
    """
    row_of = {utterance: row for row, utterance in enumerate(b.utterances)}
    rows = []
    for line, utterance in enumerate(a.utterances, start=1):
        row = row_of.pop(utterance, None)
        if row is None:
            raise _not_the_same(names, f"no {utterance} (line {line} of the first) in the second")
        for column, ours, theirs in (
            ("key", a.labels[line - 1], b.labels[row]),
            ("attack", a.attacks[line - 1], b.attacks[row]),
        ):
            if ours != theirs:
                raise _not_the_same(names, f"another {column} of {utterance} (lines {line} and {row + 1})")
        rows.append(row)
    if row_of:
        utterance, row = next(iter(row_of.items()))
        raise _not_the_same(names, f"no {utterance} (line {row + 1} of the second) in the first")
    return Scores(
        [b.utterances[row] for row in rows], [b.attacks[row] for row in rows], b.labels[rows], b.values[rows]
    )


def compare(
    a: Scores,
    b: Scores,
    statistics: Mapping[str, Statistic],
    speakers: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Difference]:
    """Difference of each figure with a paired bootstrap interval (95 %) and p-value.

    Args:
        a: scores of one detector.
        b: of the other, the same utterances in the same order (`aligned`).
        statistics: figures of a ranking by name (`fsd_model.figures.figures`).
        speakers: of each utterance; None where no one is known.
        resamples: number of draws, at least 39.
        seed: of the draws.

    Raises:
        InputError: too few resamples.
    """
    edge(resamples, LEVEL)
    drawn = resampling(a.labels, a.attacks, speakers)
    rankings = [rank(np.asarray(scores.values, dtype=np.float64), a.labels == BONAFIDE) for scores in (a, b)]
    rng = np.random.default_rng(seed)
    values_RDS = resample(rankings, list(statistics.values()), drawn, rng, resamples)
    difference_RS = values_RDS[:, 1] - values_RDS[:, 0]
    found = []
    for place, (name, statistic) in enumerate(statistics.items()):
        ours, theirs = (statistic(ranking) for ranking in rankings)
        interval = percentile_interval(difference_RS[:, place], drawn)
        found.append(
            Difference(name, ours, theirs, theirs - ours, interval, p_value(difference_RS[:, place]))
        )
    return found


def p_value(difference_R: Floats) -> float:
    """Two-sided p-value of no difference, from resampled differences; at least 2 / (R + 1)."""
    beyond = min(np.count_nonzero(difference_R <= 0), np.count_nonzero(difference_R >= 0))
    return float(min(1.0, 2 * (1 + beyond) / (len(difference_R) + 1)))


def _not_the_same(names: tuple[str, str], found: str) -> InputError:
    return InputError(
        f"{names[0]} and {names[1]} must hold the same utterances, got {found};"
        " score the same split with both"
    )
