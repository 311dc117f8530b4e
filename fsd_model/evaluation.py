"""The final evaluation of a detector on a whole split: its scores, and the figures they reduce to.

The only module that opens the evaluation split; nothing that a search imports leads here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsd_model.asv_scores import read_asv_scores
from fsd_model.audio import read_audio
from fsd_model.dataset import DataConfig, Utterance, read_split
from fsd_model.detector import Detector
from fsd_model.evaluation_data import read_eval
from fsd_model.evaluation_result import (
    Evaluation,
    EvaluationSplit,
    Scored,
    read_evaluation,
    summarise,
    write_evaluation,
)
from fsd_model.metrics import AsvErrorRates
from fsd_model.protocol import track_folder
from fsd_model.scoring import Scores, write_scores
from fsd_model.trials import SCORES_SUFFIX, TRIALS_SUFFIX, Trial, write_trials

Progress = Callable[[int, int], None]

BATCH = 32


def utterances_of(data: DataConfig, split: EvaluationSplit) -> list[Utterance]:
    """The utterances of "dev" or "eval"."""
    return read_eval(data) if split == "eval" else read_split(data, "dev")


def _features(
    detector: Detector, utterances: Sequence[Utterance], jobs: int
) -> Iterator[NDArray[np.float32]]:
    """Front-end output (F, T) in order; a bounded number of files is in flight."""
    with ThreadPoolExecutor(jobs) as pool:
        for start in range(0, len(utterances), 4 * BATCH):
            part = utterances[start : start + 4 * BATCH]
            yield from pool.map(lambda u: detector.features(read_audio(u.path)), part)


def score_utterances(
    detector: Detector, utterances: Sequence[Utterance], jobs: int = 1, progress: Progress | None = None
) -> Scores:
    """Score utterances with the deployed network.

    Args:
        detector: front end and network.
        utterances: of either class.
        jobs: threads that read audio and compute features.
        progress: called with (done, total).

    Raises:
        InputError: a faulty audio file, named.
    """
    scores: list[float] = []
    features = _features(detector, utterances, jobs)
    while batch := list(islice(features, BATCH)):
        scores += detector.score_features(np.stack(batch)).tolist()
        if progress is not None:
            progress(len(scores), len(utterances))
    labels_N = np.array([u.label for u in utterances], dtype=np.int64)
    return Scores([u.name for u in utterances], [u.attack for u in utterances], labels_N, np.array(scores))


def organisers_asv(data: DataConfig, split: EvaluationSplit) -> AsvErrorRates | None:
    """The ASV operating point from the official score file, or None where the corpus has none."""
    folder = track_folder(data.root, data.track) / f"ASVspoof2019_{data.track}_asv_scores"
    path = folder / f"ASVspoof2019.{data.track}.asv.{split}.gi.trl.scores.txt"
    return read_asv_scores(path) if path.is_file() else None


def evaluate(
    detector: Detector,
    data: DataConfig,
    split: EvaluationSplit,
    out: Path,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a split; write `<split>.scores.txt`, `<split>.trials.tsv` and `<split>.json` into `out`.

    Raises:
        InputError: faulty data, or `out` cannot be written.
    """
    utterances = utterances_of(data, split)
    scores = score_utterances(detector, utterances, jobs, progress)
    trials = [Trial.of(utterance) for utterance in utterances]
    scored = Scored(split, detector.digest(), str(data.root), detector.card.threshold)
    result = summarise(scored, scores, trials, organisers_asv(data, split))
    write_scores(out / f"{split}{SCORES_SUFFIX}", scores)
    write_trials(out / f"{split}{TRIALS_SUFFIX}", trials)
    write_evaluation(out / f"{split}.json", result)
    return result


def earlier_evaluation(
    detector: Detector, data: DataConfig, split: EvaluationSplit, out: Path
) -> Evaluation | None:
    """What `evaluate` wrote into `out` for this very detector and corpus, or None.

    Results of an earlier version, without today's figures, count as none: the split is scored again.
    """
    found = read_evaluation(out / f"{split}.json")
    if found is None or found.detector != detector.digest() or found.data != str(data.root):
        return None
    there = all((out / f"{split}{suffix}").is_file() for suffix in (SCORES_SUFFIX, TRIALS_SUFFIX))
    return found if there else None
