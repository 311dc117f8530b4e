"""Which files the demo corpus holds: ids, speakers, attacks and the seed of each file, from one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fsd_model.corpus.attacks.registry import KNOWN, SPOKEN, UNKNOWN, usable
from fsd_model.corpus.attacks.text_to_speech import SpeechRequest, random_request
from fsd_model.corpus.voices import VOICES, Split, Voice, lengths_s

Variant = Literal["demo", "tiny"]

SPLITS: tuple[Split, ...] = ("train", "dev", "eval")
BONAFIDE = "-"
_SEED = 1203
_LETTER: dict[Split, str] = {"train": "T", "dev": "D", "eval": "E"}
_SPOOFS: dict[Variant, dict[Split, int]] = {
    "demo": {"train": 600, "dev": 300, "eval": 600},
    "tiny": {"train": 24, "dev": 12, "eval": 24},
}
_TINY_SHARE = 15  # of every so many takes the tiny variant uses one


@dataclass(frozen=True)
class Item:
    """One file to make.

    Attributes:
        utterance: its id, from which nothing but the split can be read.
        system: attack id, or "-" for bona fide.
        take: which of the voice's utterances it is, or is made from.
        takes: how many utterances of each of its files the voice lends to this variant.
        seed: of all random numbers that go into the file.
        request: what the speech synthesiser shall say for it.
    """

    split: Split
    utterance: str
    voice: Voice
    system: str
    take: int
    takes: int
    seed: int
    request: SpeechRequest | None = None

    @property
    def protocol_line(self) -> str:
        """Speaker, utterance, environment (none), system, key."""
        key = "bonafide" if self.system == BONAFIDE else "spoof"
        return f"{self.voice.label} {self.utterance} - {self.system} {key}\n"


def takes_used(voice: Voice, variant: Variant) -> int:
    """How many utterances of each of a voice's files a variant uses."""
    return voice.takes if variant == "demo" else -(-voice.takes // _TINY_SHARE)


def attack_ids(split: Split) -> tuple[str, ...]:
    """Attacks of a split that this machine can run."""
    return usable(UNKNOWN if split == "eval" else KNOWN)


def plan(variant: Variant) -> list[Item]:
    """Every file of a variant, by split and utterance id.

    Each attack takes its turn over a random order of the split's utterances, so that text, speaker, length
    and channel of the spoofs are those of the bona fide files.
    """
    return [item for split in SPLITS for item in _plan_split(split, variant)]


def _plan_split(split: Split, variant: Variant) -> list[Item]:
    rng = np.random.default_rng([_SEED, SPLITS.index(split)])
    takes = [
        (voice, take)
        for voice in VOICES
        if voice.split == split
        for take in range(takes_used(voice, variant) * len(voice.stems))
    ]
    chosen = [(BONAFIDE, voice, take) for voice, take in takes]
    attacks = attack_ids(split)
    total = _SPOOFS[variant][split]
    for number, attack in enumerate(attacks):
        count = total // len(attacks) + (number < total % len(attacks))
        order = rng.permutation(len(takes))
        chosen += [(attack, *takes[i]) for i in order[:count]]
    numbers = np.sort(rng.choice(9_000_000, len(chosen), replace=False)) + 1_000_000
    shuffled = [chosen[i] for i in rng.permutation(len(chosen))]
    return [
        _item(split, f"LA_{_LETTER[split]}_{number}", variant, *what)
        for number, what in zip(numbers, shuffled, strict=True)
    ]


def _item(split: Split, utterance: str, variant: Variant, system: str, voice: Voice, take: int) -> Item:
    seed = int(utterance[-7:]) + 10_000_000 * SPLITS.index(split)
    takes = takes_used(voice, variant)
    request = None
    if system in SPOKEN:
        seconds = lengths_s(voice, takes)[take]
        request = random_request(seconds, np.random.default_rng([seed, 1]))
    return Item(split, utterance, voice, system, take, takes, seed, request)
