"""ASVspoof 2021 LA, PA and DF: the key with its meta-labels. An evaluation set: this module opens no file.

Columns of bona fide lines that describe an attack may be `-` or `bonafide`; both occur.

Source: eval-package of ASVspoof 2021 (https://github.com/asvspoof-challenge/2021).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fsd_model.data.protocol import check_attack, check_key
from fsd_model.data.utterance import NO_ATTACK, NO_CODEC, Subset, Track, Utterance
from fsd_model.errors import InputError
from fsd_model.labels import LABELS

_COLUMNS: dict[Track, str] = {
    "LA": "SPEAKER TRIAL CODEC TRANSMISSION ATTACK KEY TRIM SUBSET",
    "PA": "SPEAKER TRIAL ROOM MICROPHONE DISTANCE room microphone device distance KEY TRIM SUBSET",
    "DF": "SPEAKER TRIAL CODEC SOURCE ATTACK KEY TRIM SUBSET VOCODER TASK TEAM GENDER LANGUAGE",
}
_SUBSETS = ("eval", "progress", "hidden")
_NONE = ("none", "nocodec", "-")


def parse_line(columns: list[str], audio: Path, track: Track, subset: Subset) -> Utterance | None:
    """Return the utterance of one line of the key, or None where it belongs to another subset.

    PA names an attack by the attacker's distance to the talker and the replay device (e.g. `c4s3`), as 2019.

    Raises:
        InputError: a wrong number of columns, key, attack, trimming or subset.
    """
    count = len(_COLUMNS[track].split())
    if len(columns) != count:
        raise InputError(
            f"line must have {count} columns ({_COLUMNS[track]}), got {len(columns)}; is it {track}?"
        )
    utterance, trim, line_subset = _PARSERS[track](columns, audio)
    if trim not in ("trim", "notrim"):
        raise InputError(f"trimming must be trim or notrim, got `{trim}`; copy the key again")
    if line_subset not in _SUBSETS:
        raise InputError(
            f"subset must be one of {', '.join(_SUBSETS)}, got `{line_subset}`; copy the key again"
        )
    return utterance if line_subset == subset else None


def _la(columns: list[str], audio: Path) -> tuple[Utterance, str, str]:
    speaker, name, codec, transmission, attack, key, trim, subset = columns
    went_through = NO_CODEC if codec in _NONE else f"{codec}/{transmission}"
    return _utterance(name, speaker, attack, key, audio, "-", went_through), trim, subset


def _pa(columns: list[str], audio: Path) -> tuple[Utterance, str, str]:
    speaker, name, *room, _, _, device, distance, key, trim, subset = columns
    check_key(key)
    attack = NO_ATTACK if key == "bonafide" else f"{distance}{device}"
    return _utterance(name, speaker, attack, key, audio, "".join(room), NO_CODEC), trim, subset


def _df(columns: list[str], audio: Path) -> tuple[Utterance, str, str]:
    speaker, name, codec, _, attack, key, trim, subset, *_ = columns
    compressed = NO_CODEC if codec in _NONE else codec
    return _utterance(name, speaker, attack, key, audio, "-", compressed), trim, subset


def _utterance(
    name: str, speaker: str, attack: str, key: str, audio: Path, environment: str, codec: str
) -> Utterance:
    if attack == key == "bonafide":
        attack = NO_ATTACK
    check_attack(attack, key)
    return Utterance(name, speaker, attack, LABELS[key], audio / f"{name}.flac", environment, codec)


_PARSERS: dict[Track, Callable[[list[str], Path], tuple[Utterance, str, str]]] = {
    "LA": _la,
    "PA": _pa,
    "DF": _df,
}
