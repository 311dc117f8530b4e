"""ASVspoof 2019 LA and PA: five columns per line.

Source: README.LA.txt and README.PA.txt of ASVspoof 2019 (https://doi.org/10.7488/ds/2555).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from fsd_model.data.protocol import check_attack
from fsd_model.data.utterance import Track, Utterance
from fsd_model.errors import InputError
from fsd_model.labels import LABELS

_COLUMNS = {"LA": "SPEAKER UTTERANCE - ATTACK KEY", "PA": "SPEAKER UTTERANCE ENVIRONMENT ATTACK KEY"}
_ENVIRONMENT = {"LA": re.compile("-"), "PA": re.compile("[abc]{3}")}
_ENVIRONMENT_RULE = {
    "LA": "third column must be `-` in LA",
    "PA": "environment must be three of a, b, c in PA",
}


def corpus_folder(root: Path, track: Track) -> Path | None:
    """Return the folder that contains `ASVspoof2019_<track>_cm_protocols`: `root`, `root/<track>` or None."""
    return next((file.parent for file in protocol_folders(root, track) if file.is_dir()), None)


def protocol_folders(root: Path, track: Track) -> list[Path]:
    """Return the places where the folder of protocols may lie."""
    return [_protocols(folder, track) for folder in (root, root / track)]


def track_folder(root: Path, track: Track) -> Path:
    """Return `corpus_folder`, which must exist.

    Raises:
        InputError: neither holds it.
    """
    if folder := corpus_folder(root, track):
        return folder
    if track == "DF":
        raise InputError("data.track must be LA or PA in ASVspoof 2019, got `DF`; DF is a track of 2021")
    first, second = protocol_folders(root, track)
    raise InputError(
        f"{root}: data folder must hold {first.name}, found neither {first} nor {second};"
        f" give the folder of ASVspoof 2019 {track} or its parent (or `fsd-tuner corpus make DIR`)"
    )


def protocol_file(folder: Path, track: Track, name: str) -> Path:
    """Return the countermeasure protocol `name`, e.g. `train.trn`, in the folder of `track_folder`."""
    return _protocols(folder, track) / f"ASVspoof2019.{track}.cm.{name}.txt"


def audio_folder(folder: Path, track: Track, split: Literal["train", "dev", "eval"]) -> Path:
    """Return the folder of the `<utterance>.flac` files of a split."""
    return folder / f"ASVspoof2019_{track}_{split}" / "flac"


def parse_line(columns: list[str], audio: Path, track: Track) -> Utterance:
    """Return the utterance of one protocol line.

    Raises:
        InputError: a wrong number of columns, attack, key or environment.
    """
    if len(columns) != 5:
        raise InputError(f"line must have 5 columns ({_COLUMNS[track]}), got {len(columns)}; is it {track}?")
    speaker, name, environment, attack, key = columns
    check_attack(attack, key)
    if not _ENVIRONMENT[track].fullmatch(environment):
        raise InputError(
            f"{_ENVIRONMENT_RULE[track]}, got `{environment}`; correct it or choose the other track"
        )
    return Utterance(name, speaker, attack, LABELS[key], audio / f"{name}.flac", environment)


def _protocols(folder: Path, track: Track) -> Path:
    return folder / f"ASVspoof2019_{track}_cm_protocols"
