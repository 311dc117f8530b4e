"""Which files the replay corpus holds: ids, speakers, environments and attacks, from one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from fsd_model.corpus.plan import BONAFIDE, SPLITS, Variant, takes_used
from fsd_model.corpus.replay.scene import ATTACKS, ENVIRONMENTS
from fsd_model.corpus.voices import VOICES, Split, Voice

_SEED = 1904
_LETTER: dict[Split, str] = {"train": "T", "dev": "D", "eval": "E"}
_SPOOFS: dict[Variant, dict[Split, int]] = {
    "demo": {"train": 900, "dev": 450, "eval": 600},
    "tiny": {"train": 27, "dev": 18, "eval": 27},
}
_Take = tuple[Voice, int]
T = TypeVar("T")


@dataclass(frozen=True)
class ReplayItem:
    """One file to make; all that is drawn for it depends on its id alone.

    Attributes:
        utterance: its id, from which nothing but the split can be read.
        environment: three letters, see `replay_scene`.
        attack: two letters, or "-" for bona fide.
        take: which of the voice's utterances is spoken.
        takes: how many utterances of each of its files the voice lends to this variant.
    """

    split: Split
    utterance: str
    voice: Voice
    take: int
    takes: int
    environment: str
    attack: str

    @property
    def protocol_line(self) -> str:
        """Speaker, utterance, environment, attack, key."""
        key = "bonafide" if self.attack == BONAFIDE else "spoof"
        speaker = self.voice.label.replace("LA_", "PA_")
        return f"{speaker} {self.utterance} {self.environment} {self.attack} {key}\n"


def replay_plan(variant: Variant) -> list[ReplayItem]:
    """Every file of a variant, by split and utterance id.

    Every utterance of a split's speakers is there once as bona fide speech and, as far as the numbers allow,
    equally often as a replay; so are the environments, and the attacks in each environment.
    """
    return [item for split in SPLITS for item in _plan_split(split, variant)]


def _plan_split(split: Split, variant: Variant) -> list[ReplayItem]:
    rng = np.random.default_rng([_SEED, SPLITS.index(split)])
    takes: list[_Take] = [
        (voice, take)
        for voice in VOICES
        if voice.split == split
        for take in range(takes_used(voice, variant) * len(voice.stems))
    ]
    bonafide = [(environment, BONAFIDE) for environment in _in_turn(ENVIRONMENTS, len(takes), rng)]
    replays = _replays(_SPOOFS[variant][split], rng)
    spoken = takes + _in_turn(takes, len(replays), rng)
    items = [
        ReplayItem(split, "", voice, take, takes_used(voice, variant), environment, attack)
        for (voice, take), (environment, attack) in zip(spoken, bonafide + replays, strict=True)
    ]
    numbers = np.sort(rng.choice(9_000_000, len(items), replace=False)) + 1_000_000
    order = rng.permutation(len(items))
    return [
        replace(items[i], utterance=f"PA_{_LETTER[split]}_{number}")
        for i, number in zip(order, numbers, strict=True)
    ]


def _in_turn(things: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """So many things, each once before any comes again, every round in a new order."""
    rounds = [rng.permutation(len(things)) for _ in range(-(-count // len(things)))]
    return [things[i] for i in np.concatenate(rounds)[:count]]


def _replays(count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Environment and attack of every replay.

    Any 27 in a row go through all environments, any 9 through all attacks; 243 through all pairs.
    """
    environments = [ENVIRONMENTS[i] for i in rng.permutation(len(ENVIRONMENTS))]
    attacks = [ATTACKS[i] for i in rng.permutation(len(ATTACKS))]
    return [
        (environments[(i + i // len(environments)) % len(environments)], attacks[i % len(attacks)])
        for i in range(count)
    ]
