"""The ASVspoof 2019 protocol format: one parser for every split.

Reading a split by name lives elsewhere (`dataset`: train and dev; `evaluation_data`: eval), so that what the
search imports cannot reach the evaluation set.

Source: README.LA.txt and README.PA.txt of ASVspoof 2019 (https://doi.org/10.7488/ds/2555).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fsd_model.errors import InputError

Track = Literal["LA", "PA"]

BONAFIDE = 1
SPOOF = 0
LABELS = {"bonafide": BONAFIDE, "spoof": SPOOF}
NO_ATTACK = "-"

_COLUMNS = {"LA": "SPEAKER UTTERANCE - ATTACK KEY", "PA": "SPEAKER UTTERANCE ENVIRONMENT ATTACK KEY"}
_ENVIRONMENT = {"LA": re.compile("-"), "PA": re.compile("[abc]{3}")}
_ENVIRONMENT_RULE = {
    "LA": "third column must be `-` in LA",
    "PA": "environment must be three of a, b, c in PA",
}


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording of a protocol.

    `attack` is `-` for bona fide; `label` is BONAFIDE or SPOOF; `environment` is `-` in LA and a triplet
    (room size, reverberation, distance) in PA.
    """

    name: str
    speaker: str
    attack: str
    label: int
    path: Path
    environment: str


def track_folder(root: Path, track: Track) -> Path:
    """The folder that holds `ASVspoof2019_<track>_cm_protocols`: `root` or `root/<track>`.

    Raises:
        InputError: neither does.
    """
    wanted = f"ASVspoof2019_{track}_cm_protocols"
    for folder in (root, root / track):
        if (folder / wanted).is_dir():
            return folder
    raise InputError(
        f"{root}: data folder must hold {wanted}, found neither {root / wanted} nor {root / track / wanted};"
        f" give the folder of ASVspoof 2019 {track} or its parent (or `fsd-tuner corpus make DIR`)"
    )


def read_protocol(file: Path, audio: Path, track: Track) -> list[Utterance]:
    """Read one countermeasure protocol and find its audio files.

    Args:
        file: protocol of five columns a line; empty lines are passed over.
        audio: folder of the `<utterance>.flac` files, listed once.
        track: LA or PA, which decides the third column.

    Returns:
        Utterances in the order of the file; both classes are there and every audio file exists.

    Raises:
        InputError: `FILE:LINE: rule, got ..., way out`.
    """
    line_of: dict[str, int] = {}
    utterances = []
    for number, line in enumerate(_read_lines(file), start=1):
        if columns := line.split():
            try:
                utterance = _parse_line(columns, audio, track)
                _check_new(utterance.name, line_of)
            except InputError as error:
                raise InputError(f"{file}:{number}: {error}") from None
            line_of[utterance.name] = number
            utterances.append(utterance)
    _check_classes(file, utterances)
    _check_audio(file, audio, line_of)
    return utterances


def check_attack(attack: str, key: str) -> None:
    """Spoofed speech has an attack, bona fide speech has none.

    Raises:
        InputError: the two columns disagree, or the key is unknown.
    """
    if key not in LABELS:
        raise InputError(f"key must be bonafide or spoof, got `{key}`; correct the last column")
    if (key == "bonafide") != (attack == NO_ATTACK):
        rule = (
            "a bonafide line must have attack `-`"
            if key == "bonafide"
            else "a spoof line must name its attack"
        )
        raise InputError(f"{rule}, got `{attack}`; correct the attack or the key")


def _parse_line(columns: list[str], audio: Path, track: Track) -> Utterance:
    if len(columns) != 5:
        raise InputError(f"line must have 5 columns ({_COLUMNS[track]}), got {len(columns)}; is it {track}?")
    speaker, name, environment, attack, key = columns
    check_attack(attack, key)
    if not _ENVIRONMENT[track].fullmatch(environment):
        raise InputError(
            f"{_ENVIRONMENT_RULE[track]}, got `{environment}`; correct it or choose the other track"
        )
    return Utterance(name, speaker, attack, LABELS[key], audio / f"{name}.flac", environment)


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
    found = {utterance.label for utterance in utterances}
    if not found:
        raise InputError(f"{file}:1: protocol must list utterances, got an empty file; copy it again")
    for key, label in LABELS.items():
        if label not in found:
            raise InputError(f"{file}:1: protocol must hold both classes, got no {key} line; is it cut off?")


def _check_audio(file: Path, audio: Path, line_of: dict[str, int]) -> None:
    try:
        with os.scandir(audio) as entries:
            present = {entry.name[:-5] for entry in entries if entry.name.endswith(".flac")}
    except OSError as error:
        raise InputError(
            f"{audio}: folder of audio files must be readable, got: {error.strerror}; check it"
        ) from None
    missing = [name for name in line_of if name not in present]
    if missing:
        raise InputError(
            f"{file}:{line_of[missing[0]]}: every utterance must have an audio file in {audio}, got none for"
            f" {len(missing)} of {len(line_of)}, the first {missing[0]}.flac; copy them or remove the lines"
        )
