"""Files of the replay corpus: ids, speakers, environments and attacks, all drawn from one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from fsd_model.corpus.plan import NO_ATTACK, SPLITS, Item, Variant, takes_of, takes_used, with_ids
from fsd_model.corpus.replay.scene import ATTACKS, ENVIRONMENTS
from fsd_model.corpus.track import PA
from fsd_model.corpus.voices import Split

_SEED = 1904
_SPOOFS: dict[Variant, dict[Split, int]] = {
    "demo": {"train": 900, "dev": 450, "eval": 600},
    "tiny": {"train": 27, "dev": 18, "eval": 27},
}
T = TypeVar("T")


def replay_plan(variant: Variant) -> list[Item]:
    """Return every file of a variant, by split and utterance id.

    Every utterance of a split's speakers occurs once as bona fide speech and, as far as the numbers allow,
    equally often as a replay; so do the environments, and the attacks in each environment.
    """
    return [item for split in SPLITS for item in _plan_split(split, variant)]


def _plan_split(split: Split, variant: Variant) -> list[Item]:
    rng = np.random.default_rng([_SEED, SPLITS.index(split)])
    takes = takes_of(split, variant)
    bonafide = [(environment, NO_ATTACK) for environment in _in_turn(ENVIRONMENTS, len(takes), rng)]
    replays = _replays(_SPOOFS[variant][split], rng)
    spoken = takes + _in_turn(takes, len(replays), rng)
    items = [
        Item(split, voice, take, takes_used(voice, variant), attack, environment)
        for (voice, take), (environment, attack) in zip(spoken, bonafide + replays, strict=True)
    ]
    return with_ids(PA, items, rng)


def _in_turn(things: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """Return `count` things, each once before any is repeated, every round in a new order."""
    rounds = [rng.permutation(len(things)) for _ in range(-(-count // len(things)))]
    return [things[i] for i in np.concatenate(rounds)[:count]]


def _replays(count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return environment and attack of every replay.

    Any 27 in a row go through all environments, any 9 through all attacks; 243 through all pairs.
    """
    environments = [ENVIRONMENTS[i] for i in rng.permutation(len(ENVIRONMENTS))]
    attacks = [ATTACKS[i] for i in rng.permutation(len(ATTACKS))]
    return [
        (environments[(i + i // len(environments)) % len(environments)], attacks[i % len(attacks)])
        for i in range(count)
    ]
