"""One line of a protocol: an utterance, its speaker, its class and its attack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Track = Literal["LA", "PA", "DF"]
Subset = Literal["eval", "progress", "hidden"]
NO_ATTACK = "-"
NO_CODEC = "-"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording of a protocol.

    `attack` is `-` for bona fide; `label` is BONAFIDE or SPOOF; `environment` describes the recording
    conditions of replay tracks (2019: room size, reverberation, distance; 2021: room, microphone, distance),
    else `-`; `codec` is the codec of the recording (2021 LA: codec/transmission), `-` for none.
    """

    name: str
    speaker: str
    attack: str
    label: int
    path: Path
    environment: str
    codec: str = NO_CODEC
