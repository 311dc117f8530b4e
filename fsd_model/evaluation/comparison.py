"""Comparison of two detectors on the same utterances: differences of metrics, with intervals.

Both are evaluated on the same resampled speakers, so what makes a speaker hard for both cancels.

Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 4.4 (p-values).

Shapes: N utterances, R resamples, D = 2 detectors, S metrics.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fsd_model.errors import InputError
from fsd_model.evaluation.results import asv_beside
from fsd_model.labels import BONAFIDE
from fsd_model.metrics.bootstrap import (
    LEVEL,
    RESAMPLES,
    Interval,
    Statistic,
    edge,
    percentile_interval,
    resample,
    resampling,
)
from fsd_model.metrics.sorted_scores import Floats, rank
from fsd_model.metrics.summary import statistics_of
from fsd_model.scores.asv_scores import read_asv_scores
from fsd_model.scores.checks import score_warnings
from fsd_model.scores.score_file import Scores, read_scores
from fsd_model.scores.utterance_table import SCORES_SUFFIX, read_trials, trials_beside


@dataclass(frozen=True)
class Difference:
    """One metric of both detectors; lower is better.

    Attributes:
        figure: name of the metric.
        a, b: value of each detector.
        difference: b - a.
        interval: interval of the difference, from resamples shared by both.
        p_value: two-sided p-value of no difference; at most 1 - level exactly where the interval excludes 0.
    """

    figure: str
    a: float
    b: float
    difference: float
    interval: Interval
    p_value: float

    @property
    def shown(self) -> bool:
        """True if the interval excludes 0."""
        return not self.interval.low <= 0 <= self.interval.high


def aligned(a: Scores, b: Scores, names: tuple[str, str] = ("A", "B")) -> Scores:
    """Return `b` in the order of `a`.

    Args:
        a: scores of one detector.
        b: scores of the other.
        names: names of the two, for messages.

    Raises:
        InputError: an utterance is missing in one, or has another class or attack; names the first.
    """
    row_of = {utterance: row for row, utterance in enumerate(b.utterances)}
    rows = []
    for line, utterance in enumerate(a.utterances, start=1):
        row = row_of.pop(utterance, None)
        if row is None:
            raise _not_the_same(names, f"no {utterance} (line {line} of the first) in the second")
        for column, value_a, value_b in (
            ("key", a.labels[line - 1], b.labels[row]),
            ("attack", a.attacks[line - 1], b.attacks[row]),
        ):
            if value_a != value_b:
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
    """Return the difference of each metric with a paired bootstrap interval (95 %) and p-value.

    Args:
        a: scores of one detector.
        b: scores of the other, with the same utterances in the same order (`aligned`).
        statistics: metrics of a ranking by name (`fsd_model.metrics.summary.statistics_of`).
        speakers: speaker of each utterance; None if all are unknown.
        resamples: number of draws, at least 39.
        seed: seed of the draws.

    Raises:
        InputError: too few resamples.
    """
    edge(resamples, LEVEL)
    sampling = resampling(a.labels, a.attacks, speakers)
    # both detectors see the same counts in each resample, so what makes a speaker hard for both cancels
    rankings = [rank(np.asarray(scores.values, dtype=np.float64), a.labels == BONAFIDE) for scores in (a, b)]
    rng = np.random.default_rng(seed)
    values_RDS = resample(rankings, list(statistics.values()), sampling, rng, resamples)
    difference_RS = values_RDS[:, 1] - values_RDS[:, 0]
    differences = []
    for place, (name, statistic) in enumerate(statistics.items()):
        value_a, value_b = (statistic(ranking) for ranking in rankings)
        interval = percentile_interval(difference_RS[:, place], sampling)
        differences.append(
            Difference(name, value_a, value_b, value_b - value_a, interval, p_value(difference_RS[:, place]))
        )
    return differences


def p_value(difference_R: Floats) -> float:
    """Return the two-sided p-value of no difference, from resampled differences; at least 2 / (R + 1)."""
    beyond = min(np.count_nonzero(difference_R <= 0), np.count_nonzero(difference_R >= 0))
    return float(min(1.0, 2 * (1 + beyond) / (len(difference_R) + 1)))


def _not_the_same(names: tuple[str, str], reason: str) -> InputError:
    return InputError(
        f"{names[0]} and {names[1]} must contain the same utterances, got {reason};"
        " score the same split with both"
    )


@dataclass(frozen=True)
class Comparison:
    """Score files `a` and `b`, the difference of each metric, and warnings about either (`notes`)."""

    a: str
    b: str
    utterances: int
    differences: list[Difference]
    notes: dict[str, list[str]]

    def as_json(self) -> str:
        """Return the comparison as JSON text."""
        rows = [asdict(row) | {"shown": row.shown} for row in self.differences]
        return json.dumps(asdict(self) | {"differences": rows}, indent=2)


def compare_files(a: Path, b: Path, asv: Path | None, resamples: int, seed: int) -> Comparison:
    """Compare two score files, or the score files in two folders.

    Args:
        a: score file or folder of an evaluation.
        b: the other one.
        asv: the organisers' ASV scores; None for those recorded by the evaluations, if any.
        resamples: number of draws.
        seed: seed of the draws.

    Raises:
        InputError: a file is faulty or missing, or the two are not of the same utterances.
    """
    path_a, path_b = score_files(a, b)
    scores_a = read_scores(path_a)
    scores_b = aligned(scores_a, read_scores(path_b), (str(path_a), str(path_b)))
    rates = read_asv_scores(asv) if asv is not None else asv_beside(path_a) or asv_beside(path_b)
    speakers = speakers_of(scores_a, path_a, path_b)
    differences = compare(scores_a, scores_b, statistics_of(rates), speakers, resamples, seed)
    notes = {"A": score_warnings(scores_a), "B": score_warnings(scores_b)}
    return Comparison(str(path_a), str(path_b), len(scores_a.labels), differences, notes)


def score_files(a: Path, b: Path) -> tuple[Path, Path]:
    """Return the two score files: of a folder its eval scores, or else its dev scores.

    Raises:
        InputError: a folder has neither, or two folders have no split in common.
    """
    folders = [path for path in (a, b) if path.is_dir()]
    for split in ("eval", "dev"):
        name = f"{split}{SCORES_SUFFIX}"
        if all((folder / name).is_file() for folder in folders):
            return (a / name if a in folders else a), (b / name if b in folders else b)
    raise InputError(
        f"{' and '.join(map(str, folders))}: must contain eval{SCORES_SUFFIX} or dev{SCORES_SUFFIX},"
        " found no such file in all; run `fsd-tuner evaluate` first"
    )


def speakers_of(scores: Scores, *files: Path) -> list[str] | None:
    """Return the speaker of each utterance, from the first table beside one of the score files.

    Raises:
        InputError: the table does not describe these utterances.
    """
    path = next(filter(None, map(trials_beside, files)), None)
    if path is None:
        return None
    speaker_of = {trial.utterance: trial.speaker for trial in read_trials(path)}
    for utterance in scores.utterances:
        if utterance not in speaker_of:
            raise InputError(
                f"{path}: must list every utterance of the scores beside it, got no {utterance};"
                " evaluate again or remove it"
            )
    return [speaker_of[utterance] for utterance in scores.utterances]
