"""Files of the demo corpus: ids, speakers and attacks, all drawn from one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fsd_model.corpus.attacks.registry import KNOWN, UNKNOWN, usable
from fsd_model.corpus.attacks.text_to_speech import SpeechRequest, random_request
from fsd_model.corpus.track import LA, Track
from fsd_model.corpus.voices import VOICES, Split, Voice, lengths_s

Variant = Literal["demo", "tiny"]

SPLITS: tuple[Split, ...] = ("train", "dev", "eval")
NO_ATTACK = "-"
_SEED = 1203
_LETTER: dict[Split, str] = {"train": "T", "dev": "D", "eval": "E"}
_SPOOFS: dict[Variant, dict[Split, int]] = {
    "demo": {"train": 600, "dev": 300, "eval": 600},
    "tiny": {"train": 24, "dev": 12, "eval": 24},
}
_TINY_SHARE = 15  # the tiny variant uses one of so many takes


@dataclass(frozen=True)
class Item:
    """One file to make.

    Attributes:
        voice: the speaker.
        take: index of the voice's utterance that the file is, or is made from.
        takes: utterances of each of its files that the voice lends to the variant.
        attack: attack id, "-" for bona fide.
        environment: room of PA, three letters, see `replay.scene`; "-" for LA.
        utterance: its id, which tells the track and the split only.
    """

    split: Split
    voice: Voice
    take: int
    takes: int
    attack: str
    environment: str = "-"
    utterance: str = ""

    @property
    def protocol_line(self) -> str:
        """Speaker, utterance, environment, attack, key."""
        key = "bonafide" if self.attack == NO_ATTACK else "spoof"
        speaker = self.voice.label.replace("LA", self.utterance[:2])
        return f"{speaker} {self.utterance} {self.environment} {self.attack} {key}\n"


def takes_used(voice: Voice, variant: Variant) -> int:
    """Return the number of utterances of each of a voice's files that a variant uses."""
    return voice.takes if variant == "demo" else -(-voice.takes // _TINY_SHARE)


def takes_of(split: Split, variant: Variant) -> list[tuple[Voice, int]]:
    """Return every utterance of a split's speakers, as (voice, take)."""
    return [
        (voice, take)
        for voice in VOICES
        if voice.split == split
        for take in range(takes_used(voice, variant) * len(voice.stems))
    ]


def with_ids(track: Track, items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    """Return the items of a split in random order, with random ids that rise in this order."""
    numbers = np.sort(rng.choice(9_000_000, len(items), replace=False)) + 1_000_000
    return [
        replace(items[i], utterance=f"{track.name}_{_LETTER[items[i].split]}_{number}")
        for i, number in zip(rng.permutation(len(items)), numbers, strict=True)
    ]


def attack_ids(split: Split) -> tuple[str, ...]:
    """Return the attacks of a split that this machine can run."""
    return usable(UNKNOWN if split == "eval" else KNOWN)


def plan(variant: Variant) -> list[Item]:
    """Return every file of a variant, by split and utterance id.

    Each attack goes through a random order of the split's utterances, so text, speaker, length and channel of
    the spoofs match those of the bona fide files.
    """
    return [item for split in SPLITS for item in _plan_split(split, variant)]


def _plan_split(split: Split, variant: Variant) -> list[Item]:
    rng = np.random.default_rng([_SEED, SPLITS.index(split)])
    takes = takes_of(split, variant)
    chosen = [(NO_ATTACK, voice, take) for voice, take in takes]
    attacks = attack_ids(split)
    total = _SPOOFS[variant][split]
    for number, attack in enumerate(attacks):
        count = total // len(attacks) + (number < total % len(attacks))
        order = rng.permutation(len(takes))
        chosen += [(attack, *takes[i]) for i in order[:count]]
    items = [Item(split, voice, take, takes_used(voice, variant), attack) for attack, voice, take in chosen]
    return with_ids(LA, items, rng)


def seed_of(item: Item) -> int:
    """Return the seed of all random numbers in a file of LA."""
    return int(item.utterance[-7:]) + 10_000_000 * SPLITS.index(item.split)


def speech_request(item: Item) -> SpeechRequest:
    """Return what the speech synthesiser has to say for a file of LA."""
    seconds = lengths_s(item.voice, item.takes)[item.take]
    return random_request(seconds, np.random.default_rng([seed_of(item), 1]))
