"""Results of an evaluation, and their file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fsd_model.atomic_write import write_text
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.bootstrap import Interval, bootstrap_intervals, resampling
from fsd_model.metrics.sorted_scores import rank
from fsd_model.metrics.summary import EER, statistics_of
from fsd_model.metrics.t_dcf import AsvErrorRates
from fsd_model.scores.checks import score_warnings
from fsd_model.scores.eer_by_group import eer_by_condition, per_attack_eer
from fsd_model.scores.score_file import Scores
from fsd_model.scores.utterance_table import SCORES_SUFFIX, Trial

EvaluationSplit = Literal["dev", "eval"]

SEED = 0
"""Of the draws behind intervals: the same scores have the same intervals."""


@dataclass(frozen=True)
class Evaluation:
    """Results on one split; rates are fractions.

    Attributes:
        split: "dev" or "eval".
        when: UTC time of scoring.
        detector: digest of the detector.
        data: folder of the corpus.
        utterances: number of scored utterances.
        eer: pooled EER.
        false_alarm, miss: error rates at the detector's operating point (spoof accepted, bona fide rejected).
        figures: pooled metrics by name (`fsd_model.metrics.summary`); with min t-DCF if the organisers' ASV
            scores are present.
        intervals: 95 % interval of each metric.
        eer_by_attack: EER of each attack's spoofs against all bona fide speech.
        eer_by_environment, eer_by_codec: EER within each that has both classes; empty if there is only one.
        asv: the speaker verification system behind min t-DCF.
        notes: warnings about the scores.
        reading: how the corpus was read: format, track, subset, skip_bad.
        left_out: name and reason of each bad file that was not scored.
    """

    split: EvaluationSplit
    when: str
    detector: str
    data: str
    utterances: int
    eer: float
    false_alarm: float
    miss: float
    figures: dict[str, float]
    intervals: dict[str, Interval]
    eer_by_attack: dict[str, float]
    eer_by_environment: dict[str, float]
    eer_by_codec: dict[str, float]
    asv: AsvErrorRates | None
    notes: list[str]
    reading: dict[str, Any] = field(default_factory=dict)
    left_out: list[dict[str, str]] = field(default_factory=list)

    @property
    def min_tdcf(self) -> dict[str, float]:
        """min t-DCF by form, legacy and revised; empty without the organisers' ASV scores."""
        prefix = "min_tdcf_"
        return {n.removeprefix(prefix): value for n, value in self.figures.items() if n.startswith(prefix)}


@dataclass(frozen=True)
class Scored:
    """The scored split: fields as in `Evaluation`, and the detector's `threshold` (accepted above it)."""

    split: EvaluationSplit
    detector: str
    data: str
    threshold: float
    reading: dict[str, Any] = field(default_factory=dict)
    left_out: list[dict[str, str]] = field(default_factory=list)


def summarise(
    scored: Scored, scores: Scores, trials: Sequence[Trial], asv: AsvErrorRates | None
) -> Evaluation:
    """Compute the official metrics of scores.

    Args:
        scored: the scored split.
        scores: scores of both classes.
        trials: table of the same utterances in the same order.
        asv: the organisers' speaker verification system, if known.
    """
    statistics, bonafide_N = statistics_of(asv), scores.labels == BONAFIDE
    ranking = rank(np.asarray(scores.values, dtype=np.float64), bonafide_N)
    pooled = {name: statistic(ranking) for name, statistic in statistics.items()}
    sampling = resampling(scores.labels, scores.attacks, [trial.speaker for trial in trials])
    rng = np.random.default_rng(SEED)
    return Evaluation(
        split=scored.split,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        detector=scored.detector,
        data=scored.data,
        utterances=len(scores.labels),
        eer=pooled[EER],
        false_alarm=float(np.mean(scores.of_class(SPOOF) > scored.threshold)),
        miss=float(np.mean(scores.of_class(BONAFIDE) <= scored.threshold)),
        figures=pooled,
        intervals=bootstrap_intervals(scores.values, bonafide_N, statistics, sampling, rng),
        eer_by_attack={attack: eer.rate for attack, eer in per_attack_eer(scores).items()},
        eer_by_environment=_rates(scores, [trial.environment for trial in trials]),
        eer_by_codec=_rates(scores, [trial.codec for trial in trials]),
        asv=asv,
        notes=score_warnings(scores),
        reading=scored.reading,
        left_out=scored.left_out,
    )


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write the results file.

    Raises:
        InputError: it cannot be written.
    """
    write_text(path, json.dumps(asdict(evaluation), indent=2) + "\n")


def read_evaluation(path: Path) -> Evaluation | None:
    """Read a results file; None if there is none of the present format."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        intervals = {name: Interval(**interval) for name, interval in entries["intervals"].items()}
        asv = AsvErrorRates(**entries["asv"]) if entries["asv"] else None
        return Evaluation(**(entries | {"intervals": intervals, "asv": asv}))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def asv_beside(scores: Path) -> AsvErrorRates | None:
    """Return the speaker verification system recorded in the results beside a score file, or None."""
    if not scores.name.endswith(SCORES_SUFFIX):
        return None
    evaluation = read_evaluation(scores.with_name(scores.name.removesuffix(SCORES_SUFFIX) + ".json"))
    return None if evaluation is None else evaluation.asv


def _rates(scores: Scores, condition_N: Sequence[str]) -> dict[str, float]:
    if len(set(condition_N)) < 2:
        return {}
    return {name: eer.rate for name, eer in eer_by_condition(scores, condition_N).items()}
