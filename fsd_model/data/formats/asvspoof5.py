"""ASVspoof 5, track 1: files named tsv whose ten columns are separated by spaces.

The first release to participants had six columns: speaker, file, three unused ones, key.

Source: README.txt of ASVspoof 5 (https://doi.org/10.5281/zenodo.14498691).
"""

from __future__ import annotations

from pathlib import Path

from fsd_model.data.protocol import check_attack, check_key
from fsd_model.data.utterance import NO_ATTACK, Utterance
from fsd_model.errors import InputError
from fsd_model.labels import LABELS

_COLUMNS = "SPEAKER FILE GENDER CODEC CODEC_Q CODEC_SEED ATTACK_TAG ATTACK_LABEL KEY TMP"
_UNNAMED = "unknown"


def find(root: Path, name: str) -> Path | None:
    """Return the protocol `name` in `root` or its folder `ASVspoof5_protocols`, or None."""
    return next((file for file in tries(root, name) if file.is_file()), None)


def tries(root: Path, name: str) -> list[Path]:
    """Return the places where a protocol may lie."""
    return [root / name, root / "ASVspoof5_protocols" / name]


def parse_line(columns: list[str], audio: Path) -> Utterance:
    """Return the utterance of one protocol line; spoofs of the six-column form have the attack `unknown`.

    Raises:
        InputError: a wrong number of columns, attack or key.
    """
    if len(columns) == 10:
        speaker, name, _, codec, _, _, _, attack, key, _ = columns
    elif len(columns) == 6:
        speaker, name, _, _, _, key = columns
        check_key(key)
        codec, attack = "-", NO_ATTACK if key == "bonafide" else _UNNAMED
    else:
        raise InputError(
            f"line must have 10 columns ({_COLUMNS}), or 6 in the older form, got {len(columns)};"
            " is it track 1?"
        )
    if attack == key == "bonafide":
        attack = NO_ATTACK
    check_attack(attack, key)
    return Utterance(name, speaker, attack, LABELS[key], audio / f"{name}.flac", "-", codec)
