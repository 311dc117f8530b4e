"""The speakers of the demo corpus and their stored recordings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from fsd_model.corpus.signals import SAMPLE_RATE_HZ, Floats

RECORDINGS = Path(__file__).parent / "recordings"
LICENCE = "that of each source recording: GPL-2.0, CC-BY-SA-3.0 or CC-BY-3.0 (fsd_model/recordings/README.md)"

Split = Literal["train", "dev", "eval"]


@dataclass(frozen=True)
class Voice:
    """One speaker.

    Attributes:
        label: the speaker's id in the protocols.
        stems: `source/file` of the recordings, without suffix; several where one person speaks two languages.
        takes: how many utterances of each file the demo corpus uses.
    """

    label: str
    split: Split
    stems: tuple[str, ...]
    takes: int


VOICES = (
    Voice("LA_0079", "train", ("fillets-cs/cs-v",), 140),
    Voice("LA_0080", "train", ("fillets-nl/nl-m",), 140),
    Voice("LA_0081", "train", ("asterisk-en/en", "asterisk-es/es"), 60),
    Voice("LA_0069", "dev", ("fillets-cs/cs-m",), 110),
    Voice("LA_0070", "dev", ("asterisk-it/it",), 90),
    Voice("LA_0001", "eval", ("fillets-nl/nl-v",), 140),
    Voice("LA_0002", "eval", ("asterisk-fr/fr",), 105),
    Voice("LA_0003", "eval", ("asterisk-ru/ru",), 105),
)


def read_index(source: Path) -> list[dict[str, str]]:
    """Return the rows of a source's `segments.tsv`."""
    header, *rows = (source / "segments.tsv").read_text(encoding="utf-8").splitlines()
    names = header.split("\t")
    return [dict(zip(names, row.split("\t"), strict=True)) for row in rows]


@cache
def _segments(stem: str) -> tuple[tuple[int, int], ...]:
    source, _, name = stem.partition("/")
    rows = [row for row in read_index(RECORDINGS / source) if row["recording"] == name]
    return tuple((int(row["start"]), int(row["length"])) for row in rows)


def lengths_s(voice: Voice, takes: int) -> list[float]:
    """Return the seconds of the first `takes` utterances of each of a speaker's files."""
    return [length / SAMPLE_RATE_HZ for stem in voice.stems for _, length in _segments(stem)[:takes]]


@cache
def utterances(voice: Voice, takes: int) -> tuple[Floats, ...]:
    """Return the first `takes` utterances of each of a speaker's files, decoded.

    Returns:
        Signals at 16 kHz; cached, so do not modify them.
    """
    waves: list[Floats] = []
    for stem in voice.stems:
        segments = _segments(stem)[:takes]
        stop = max(start + length for start, length in segments)
        wave = soundfile.read(RECORDINGS / f"{stem}.ogg", frames=stop)[0].astype(np.float64)
        waves += [wave[start : start + length] for start, length in segments]
    return tuple(waves)
