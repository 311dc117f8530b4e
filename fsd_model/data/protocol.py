"""The reader of protocols that all layouts share; it names the line at fault.

The layouts are in `fsd_model.data.formats`. Splits are read by name in `data.training_splits` (train and dev)
and `evaluation.eval_split`, so that nothing that a search imports can reach the evaluation set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from fsd_model.data.utterance import NO_ATTACK, Utterance
from fsd_model.errors import InputError
from fsd_model.labels import LABELS

Row = TypeVar("Row")


def read_listing(
    file: Path,
    rows: Iterable[tuple[int, Row]],
    parse: Callable[[Row], Utterance | None],
    check_files: bool = True,
) -> list[Utterance]:
    """Parse the rows of a protocol or manifest.

    Args:
        file: file name for errors.
        rows: (line number, row).
        parse: returns the utterance of a row; None for a row of another split.
        check_files: whether every audio file must exist; each folder is listed once.

    Returns:
        Utterances in the order of the rows; names are unique and both classes present.

    Raises:
        InputError: `FILE:LINE: rule, got ..., way out`.
    """
    line_of: dict[str, int] = {}
    utterances = []
    for number, row in rows:
        try:
            utterance = parse(row)
            if utterance is not None:
                _check_new(utterance.name, line_of)
        except InputError as error:
            raise InputError(f"{file}:{number}: {error}") from None
        if utterance is not None:
            line_of[utterance.name] = number
            utterances.append(utterance)
    _check_classes(file, utterances)
    if check_files:
        _check_audio(file, utterances, line_of)
    return utterances


def split_lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, columns) of a text file with columns between spaces or tabs; skips empty lines.

    Raises:
        InputError: the file is missing, unreadable or not UTF-8.
    """
    for number, line in enumerate(_read_lines(file), start=1):
        if columns := line.split():
            yield number, columns


def check_attack(attack: str, key: str) -> None:
    """Raise unless spoofed speech has an attack and bona fide speech has none.

    Raises:
        InputError: the two columns disagree, or the key is unknown.
    """
    check_key(key)
    if (key == "bonafide") != (attack == NO_ATTACK):
        rule = (
            "a bonafide line must have attack `-`"
            if key == "bonafide"
            else "a spoof line must name its attack"
        )
        raise InputError(f"{rule}, got `{attack}`; correct the attack or the key")


def check_key(key: str) -> None:
    """Raise InputError if `key` is neither bonafide nor spoof."""
    if key not in LABELS:
        raise InputError(f"key must be bonafide or spoof, got `{key}`; correct the last column")


def _check_new(name: str, line_of: dict[str, int]) -> None:
    if name in line_of:
        raise InputError(
            f"utterance must be unique, got {name} again (first in line {line_of[name]}); remove one"
        )


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(
            f"{file}: protocol must exist, found none; check the data folder and the track"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: protocol must be UTF-8 text, got other bytes; copy it again") from None
    except OSError as error:
        raise InputError(f"{file}: protocol must be readable, got: {error.strerror}; check it") from error


def _check_classes(file: Path, utterances: Iterable[Utterance]) -> None:
    labels = {utterance.label for utterance in utterances}
    if not labels:
        raise InputError(f"{file}:1: protocol must list utterances, got an empty file; copy it again")
    for key, label in LABELS.items():
        if label not in labels:
            raise InputError(f"{file}:1: protocol must hold both classes, got no {key} line; is it cut off?")


def _check_audio(file: Path, utterances: list[Utterance], line_of: dict[str, int]) -> None:
    names_in = {folder: _files_in(folder) for folder in dict.fromkeys(u.path.parent for u in utterances)}
    missing = [u for u in utterances if u.path.name not in names_in[u.path.parent]]
    if missing:
        first = missing[0]
        raise InputError(
            f"{file}:{line_of[first.name]}: every utterance must have an audio file in {first.path.parent},"
            f" got none for {len(missing)} of {len(utterances)}, the first {first.path.name}; copy them or"
            " remove the lines, or leave missing files out with data.skip_bad (--skip-bad)"
        )


def _files_in(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError as error:
        raise InputError(
            f"{folder}: folder of audio files must be readable, got: {error.strerror}; check it"
        ) from None
