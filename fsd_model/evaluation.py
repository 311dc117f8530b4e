"""The final evaluation of a detector on a whole split: scores, EER pooled and by attack, min t-DCF.

The only module that opens the evaluation split; nothing that a search imports leads here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fsd_model.asv_scores import read_asv_scores
from fsd_model.atomic import write_text
from fsd_model.audio import read_audio
from fsd_model.dataset import BONAFIDE, SPOOF, DataConfig, Utterance, read_split
from fsd_model.detector import Detector
from fsd_model.evaluation_data import read_eval
from fsd_model.metrics import AsvErrorRates, Form, min_tdcf
from fsd_model.protocol import track_folder
from fsd_model.scoring import Scores, per_attack_eer, pooled_eer, write_scores

EvaluationSplit = Literal["dev", "eval"]
Progress = Callable[[int, int], None]

BATCH = 32


@dataclass(frozen=True)
class Evaluation:
    """Results on one split; rates are fractions.

    Attributes:
        split: "dev" or "eval".
        when: UTC time of scoring.
        detector: digest of the detector that was scored.
        data: folder of the corpus.
        utterances: how many were scored.
        eer: pooled EER.
        false_alarm, miss: error rates at the detector's own threshold (spoof accepted, bona fide refused).
        eer_by_attack: each attack's spoofs against all bona fide.
        min_tdcf: legacy and revised form, where the corpus has the organisers' ASV scores.
    """

    split: EvaluationSplit
    when: str
    detector: str
    data: str
    utterances: int
    eer: float
    false_alarm: float
    miss: float
    eer_by_attack: dict[str, float]
    min_tdcf: dict[str, float] = field(default_factory=dict)


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


def summarise(
    detector: Detector, scores: Scores, split: EvaluationSplit, data: DataConfig, asv: AsvErrorRates | None
) -> Evaluation:
    """Reduce scores to the official figures."""
    threshold = detector.card.threshold
    bonafide, spoof = scores.of_class(BONAFIDE), scores.of_class(SPOOF)
    forms: tuple[Form, ...] = () if asv is None else ("legacy", "revised")
    return Evaluation(
        split=split,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        detector=detector.digest(),
        data=str(data.root),
        utterances=len(scores.labels),
        eer=pooled_eer(scores).rate,
        false_alarm=float(np.mean(spoof > threshold)),
        miss=float(np.mean(bonafide <= threshold)),
        eer_by_attack={attack: eer.rate for attack, eer in per_attack_eer(scores).items()},
        min_tdcf={form: min_tdcf(bonafide, spoof, asv, form) for form in forms if asv is not None},
    )


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
    """Score a split and write `<split>.scores.txt` and `<split>.json` into `out`.

    Raises:
        InputError: faulty data, or `out` cannot be written.
    """
    utterances = utterances_of(data, split)
    scores = score_utterances(detector, utterances, jobs, progress)
    result = summarise(detector, scores, split, data, organisers_asv(data, split))
    write_scores(out / f"{split}.scores.txt", scores)
    write_text(out / f"{split}.json", json.dumps(asdict(result), indent=2) + "\n")
    return result


def earlier_evaluation(
    detector: Detector, data: DataConfig, split: EvaluationSplit, out: Path
) -> Evaluation | None:
    """What `evaluate` wrote into `out` for this very detector and corpus, or None."""
    try:
        found = Evaluation(**json.loads((out / f"{split}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    same = found.detector == detector.digest() and found.data == str(data.root)
    return found if same and (out / f"{split}.scores.txt").is_file() else None
