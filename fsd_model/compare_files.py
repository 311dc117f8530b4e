"""Comparison of two score files, or of two folders of evaluations."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fsd_model.asv_scores import read_asv_scores
from fsd_model.compare import Difference, aligned, compare
from fsd_model.errors import InputError
from fsd_model.evaluation_result import asv_beside
from fsd_model.figures import figures
from fsd_model.score_checks import oddities
from fsd_model.scoring import Scores, read_scores
from fsd_model.trials import SCORES_SUFFIX, read_trials, trials_beside


@dataclass(frozen=True)
class Comparison:
    """Score files `a` and `b`, the difference of each figure, and what is odd about either (`notes`)."""

    a: str
    b: str
    utterances: int
    differences: list[Difference]
    notes: dict[str, list[str]]

    def as_json(self) -> str:
        rows = [asdict(row) | {"shown": row.shown} for row in self.differences]
        return json.dumps(asdict(self) | {"differences": rows}, indent=2)


def compare_files(a: Path, b: Path, asv: Path | None, resamples: int, seed: int) -> Comparison:
    """Compare two score files, or the score files in two folders.

    Args:
        a: score file or folder of an evaluation.
        b: the other.
        asv: the organisers' ASV scores; None takes what the evaluations recorded, if anything.
        resamples: number of draws.
        seed: of the draws.

    Raises:
        InputError: a file is faulty or missing, or the two are not of the same utterances.
    """
    path_a, path_b = score_files(a, b)
    scores_a = read_scores(path_a)
    scores_b = aligned(scores_a, read_scores(path_b), (str(path_a), str(path_b)))
    rates = read_asv_scores(asv) if asv is not None else asv_beside(path_a) or asv_beside(path_b)
    speakers = speakers_of(scores_a, path_a, path_b)
    differences = compare(scores_a, scores_b, figures(rates), speakers, resamples, seed)
    notes = {"A": oddities(scores_a), "B": oddities(scores_b)}
    return Comparison(str(path_a), str(path_b), len(scores_a.labels), differences, notes)


def score_files(a: Path, b: Path) -> tuple[Path, Path]:
    """The score files meant: a file stands for itself, a folder for its eval or else its dev scores.

    Raises:
        InputError: a folder has neither, or two folders have no split in common.
    """
    folders = [path for path in (a, b) if path.is_dir()]
    for split in ("eval", "dev"):
        name = f"{split}{SCORES_SUFFIX}"
        if all((folder / name).is_file() for folder in folders):
            return (a / name if a in folders else a), (b / name if b in folders else b)
    raise InputError(
        f"{' and '.join(map(str, folders))}: must hold eval{SCORES_SUFFIX} or dev{SCORES_SUFFIX},"
        " found no such file in all; run `fsd-tuner evaluate` first"
    )


def speakers_of(scores: Scores, *files: Path) -> list[str] | None:
    """Speaker of each utterance, from the first trials file that lies beside one of the score files.

    Raises:
        InputError: the trials file does not describe these utterances.
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
