"""A table beside a score file: speaker, attack, codec and class of each utterance.

`<split>.trials.tsv` beside `<split>.scores.txt`: a header, then `utterance speaker attack environment codec
key`, tab-separated. Later analyses use this file and need not open the evaluation split again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from fsd_model.atomic_write import write_text
from fsd_model.data.utterance import Utterance
from fsd_model.errors import InputError
from fsd_model.labels import LABELS

SCORES_SUFFIX, TRIALS_SUFFIX = ".scores.txt", ".trials.tsv"

_KEYS = {label: key for key, label in LABELS.items()}


@dataclass(frozen=True, slots=True)
class Trial:
    """One utterance as in the protocol; `-` where unknown, `key` is bonafide or spoof."""

    utterance: str
    speaker: str
    attack: str
    environment: str
    codec: str
    key: str

    @classmethod
    def of(cls, utterance: Utterance) -> Trial:
        return cls(
            utterance.name,
            utterance.speaker,
            utterance.attack,
            utterance.environment,
            utterance.codec,
            _KEYS[utterance.label],
        )


_HEADER = [field.name for field in fields(Trial)]


def write_trials(path: Path, trials: Iterable[Trial]) -> None:
    """Write a table atomically.

    Raises:
        InputError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(astuple(trial) for trial in trials)
    write_text(path, text.getvalue())


def read_trials(path: Path) -> list[Trial]:
    """Read a table.

    Raises:
        InputError: `FILE:LINE: rule, got ..., way out`.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8")), delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: trials file must be readable text, got: {error}; evaluate again") from None
    if not rows or rows[0] != _HEADER:
        raise InputError(f"{path}:1: header must be `{' '.join(_HEADER)}`, got other columns; evaluate again")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(_HEADER):
            raise InputError(
                f"{path}:{number}: line must have {len(_HEADER)} columns, got {len(row)}; evaluate again"
            )
    return [Trial(*row) for row in rows[1:]]


def trials_beside(scores: Path) -> Path | None:
    """Return the table that belongs to a score file, or None if there is none."""
    if not scores.name.endswith(SCORES_SUFFIX):
        return None
    path = scores.with_name(scores.name.removesuffix(SCORES_SUFFIX) + TRIALS_SUFFIX)
    return path if path.is_file() else None
