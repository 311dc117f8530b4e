"""The final evaluation of a detector on a whole split: its scores and their metrics.

This module opens the evaluation split; nothing that a search imports leads here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fsd_model.data.bad_files import WAY_OUT, LeftOut, check_remaining, reason_of
from fsd_model.data.formats.asvspoof2019 import track_folder
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.data.utterance import Utterance
from fsd_model.detector.batch_scoring import BATCH, score_files
from fsd_model.detector.detector import Detector
from fsd_model.errors import InputError
from fsd_model.evaluation.access_log import Opening, record_opening
from fsd_model.evaluation.eval_split import evaluation_format, read_eval
from fsd_model.evaluation.results import (
    Evaluation,
    EvaluationSplit,
    Scored,
    read_evaluation,
    summarise,
    write_evaluation,
)
from fsd_model.metrics.t_dcf import AsvErrorRates
from fsd_model.progress import Progress
from fsd_model.scores.asv_scores import read_asv_scores
from fsd_model.scores.score_file import Scores, write_scores
from fsd_model.scores.utterance_table import SCORES_SUFFIX, TRIALS_SUFFIX, Trial, write_trials


def utterances_of(data: DataConfig, split: EvaluationSplit) -> list[Utterance]:
    """Read the utterances of "dev" or "eval"."""
    return read_eval(data) if split == "eval" else read_split(data, "dev")


def score_utterances(
    detector: Detector,
    utterances: Sequence[Utterance],
    jobs: int = 1,
    progress: Progress | None = None,
    left_out: list[LeftOut] | None = None,
) -> Scores:
    """Score utterances with the deployed network.

    Args:
        detector: front end and network.
        utterances: utterances of either class.
        jobs: threads that read audio and compute features.
        progress: called with (done, total).
        left_out: receives the bad files, which get no score; None: the first one stops.

    Raises:
        InputError: a faulty audio file, named; or every file of a class is bad.
    """
    values: list[float] = []
    scored: list[Utterance] = []
    results = score_files(detector, (utterance.path for utterance in utterances), jobs)
    for done, (utterance, (_, value)) in enumerate(zip(utterances, results, strict=True), 1):
        if not isinstance(value, InputError):
            values.append(value)
            scored.append(utterance)
        elif left_out is None:
            raise InputError(f"{value}; {WAY_OUT}") from value
        else:
            left_out.append(LeftOut(name=utterance.name, reason=reason_of(utterance, value)))
        if progress is not None and (done % BATCH == 0 or done == len(utterances)):
            progress(done, len(utterances))
    check_remaining(utterances, scored, left_out or ())
    labels_N = np.array([u.label for u in scored], dtype=np.int64)
    return Scores([u.name for u in scored], [u.attack for u in scored], labels_N, np.array(values))


def _reading(data: DataConfig, utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Return how the corpus was read, and a digest of its files' names, sizes and modification times."""
    files = hashlib.sha256()
    for utterance in utterances:
        there = utterance.path.stat() if utterance.path.is_file() else None
        state = (there.st_size, there.st_mtime_ns) if there else None
        files.update(f"{utterance.name} {utterance.label} {state}\n".encode())
    return {**_settings(data), "files": files.hexdigest()}


def _settings(data: DataConfig) -> dict[str, Any]:
    return data.model_dump(mode="json", exclude={"root"})


def organisers_asv(data: DataConfig, split: EvaluationSplit) -> AsvErrorRates | None:
    """Return the ASV operating point from the official score file, or None if the corpus has none."""
    if evaluation_format(data) != "asvspoof2019":
        return None
    folder = track_folder(data.root, data.track) / f"ASVspoof2019_{data.track}_asv_scores"
    path = folder / f"ASVspoof2019.{data.track}.asv.{split}.gi.trl.scores.txt"
    return read_asv_scores(path) if path.is_file() else None


def _opening(detector: Detector, data: DataConfig, utterances: int) -> Opening:
    when, folder = datetime.now(UTC).isoformat(timespec="seconds"), str(detector.folder or "")
    return Opening(when, detector.digest(), folder, str(data.root), data.track, utterances)


def evaluate(
    detector: Detector,
    data: DataConfig,
    split: EvaluationSplit,
    out: Path,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a split; write `<split>.scores.txt`, `<split>.trials.tsv` and `<split>.json` into `out`.

    An opening of the evaluation split is recorded before its first recording is read.

    Raises:
        InputError: faulty data, or `out` cannot be written.
    """
    utterances = utterances_of(data, split)
    if split == "eval":
        record_opening(_opening(detector, data, len(utterances)), detector.folder or out)
    left_out: list[LeftOut] | None = [] if data.skip_bad else None
    scores = score_utterances(detector, utterances, jobs, progress, left_out)
    bad = {each.name: each.reason for each in left_out or ()}
    trials = [Trial.of(utterance) for utterance in utterances if utterance.name not in bad]
    records = [{"name": name, "reason": reason} for name, reason in bad.items()]
    threshold = detector.threshold
    scored = Scored(split, detector.digest(), str(data.root), threshold, _reading(data, utterances), records)
    result = summarise(scored, scores, trials, organisers_asv(data, split))
    write_scores(out / f"{split}{SCORES_SUFFIX}", scores)
    write_trials(out / f"{split}{TRIALS_SUFFIX}", trials)
    write_evaluation(out / f"{split}.json", result)
    return result


def earlier_evaluation(
    detector: Detector, data: DataConfig, split: EvaluationSplit, out: Path
) -> Evaluation | None:
    """Return the earlier results in `out` for this detector and corpus, or None.

    Results of an earlier version that lack a metric are ignored: the split is scored again.
    """
    result = read_evaluation(out / f"{split}.json")
    if result is None or result.detector != detector.digest() or result.data != str(data.root):
        return None
    if not _settings(data).items() <= result.reading.items():  # first: does not read the corpus
        return None
    if result.reading != _reading(data, utterances_of(data, split)):
        return None
    complete = all((out / f"{split}{suffix}").is_file() for suffix in (SCORES_SUFFIX, TRIALS_SUFFIX))
    return result if complete else None
