"""Score files: one score per utterance.

A score file has one line per utterance: `utterance attack key score`, attack `-` and key `bonafide` for bona
fide speech (files with attack `A00` there are read, too). Higher score = more bona fide.

Shapes: N utterances, E exits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsd_model.atomic_write import write_text
from fsd_model.data.protocol import check_attack
from fsd_model.data.utterance import NO_ATTACK
from fsd_model.errors import InputError
from fsd_model.labels import BONAFIDE, LABELS, SPOOF

_KEYS = {label: key for key, label in LABELS.items()}


@dataclass(frozen=True)
class Scores:
    """Scores of N utterances; `attacks` is `-` and `labels` BONAFIDE for bona fide speech."""

    utterances: Sequence[str]
    attacks: Sequence[str]
    labels: NDArray[np.int64]
    values: NDArray[np.floating]

    def __post_init__(self) -> None:
        lengths = [len(self.utterances), len(self.attacks), len(self.labels), len(self.values)]
        if len(set(lengths)) > 1:
            raise InputError(
                f"columns of scores must be of one length, got {lengths}; give one value an utterance"
            )

    def of_class(self, label: int) -> NDArray[np.floating]:
        """Return the scores of one class, BONAFIDE or SPOOF."""
        chosen: NDArray[np.floating] = self.values[self.labels == label]
        return chosen


def write_scores(path: Path, scores: Scores) -> None:
    """Write a score file atomically, with enough digits to read back equal numbers.

    Raises:
        InputError: a score is not finite, a label is invalid, or the file cannot be written.
    """
    write_text(path, "".join(_line(*row) for row in _rows(scores)))


def read_scores(path: Path) -> Scores:
    """Read a score file.

    Returns:
        Scores in the order of the file, float64; both classes are present.

    Raises:
        InputError: `FILE:LINE: rule, got ..., way out`.
    """
    line_of: dict[str, int] = {}
    attacks, labels, values = [], [], []
    for number, line in enumerate(_read_lines(path), start=1):
        try:
            name, attack, label, value = _parse_line(line, line_of)
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}") from None
        line_of[name] = number
        attacks.append(attack)
        labels.append(label)
        values.append(value)
    for key, label in LABELS.items():
        if label not in labels:
            raise InputError(
                f"{path}:1: score file must hold both classes, got no {key} line; is it cut off?"
            )
    return Scores(list(line_of), attacks, np.array(labels, dtype=np.int64), np.array(values))


def _rows(scores: Scores) -> Iterable[tuple[str, str, int, float]]:
    return zip(scores.utterances, scores.attacks, scores.labels.tolist(), scores.values.tolist(), strict=True)


def _line(name: str, attack: str, label: int, score: float) -> str:
    if label not in _KEYS:
        raise InputError(f"label must be {BONAFIDE} or {SPOOF}, got {label} for {name}; correct it")
    if not math.isfinite(score):
        raise InputError(f"score must be finite, got {score} for {name}; the detector has diverged")
    return f"{name} {attack} {_KEYS[label]} {score!r}\n"


def _parse_line(line: str, line_of: dict[str, int]) -> tuple[str, str, int, float]:
    columns = line.split()
    if len(columns) != 4:
        raise InputError(f"line must be `UTTERANCE ATTACK KEY SCORE`, got {len(columns)} columns; correct it")
    name, attack, key, text = columns
    if attack == "A00":  # another common way to write: none
        attack = NO_ATTACK
    check_attack(attack, key)
    if name in line_of:
        raise InputError(
            f"utterance must be unique, got {name} again (first in line {line_of[name]}); remove one"
        )
    return name, attack, LABELS[key], _finite(text)


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"score must be a finite number, got `{text}`; score the utterance again")
    return value


def _read_lines(path: Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(
            f"{path}: score file must be readable, got: {error.strerror}; check the name"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: score file must be UTF-8 text, got other bytes; copy it again") from None
