"""Samples of one file of the demo corpus, the same in any process and in any order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.attacks.registry import ATTACKS
from fsd_model.corpus.codec import through_codec
from fsd_model.corpus.plan import NO_ATTACK, Item, Variant, seed_of, takes_used
from fsd_model.corpus.post_processing import finish
from fsd_model.corpus.signals import Floats
from fsd_model.corpus.voices import VOICES, utterances

_SAME_VOICE = 40
_OTHER_VOICE = 4


def _pick(takes: tuple[Floats, ...], count: int, rng: np.random.Generator) -> tuple[Floats, ...]:
    return tuple(takes[i] for i in rng.permutation(len(takes))[:count])


def _material(
    item: Item, variant: Variant, spoken: NDArray[np.int16] | None, rng: np.random.Generator
) -> Material:
    own = utterances(item.voice, item.takes)
    others = [voice for voice in VOICES if voice.split == item.split and voice != item.voice]
    other = others[int(rng.integers(len(others)))]
    return Material(
        same_voice=_pick(own[: item.take] + own[item.take + 1 :], _SAME_VOICE, rng),
        other_voice=_pick(utterances(other, takes_used(other, variant)), _OTHER_VOICE, rng),
        spoken=np.zeros(0) if spoken is None else spoken / 32768,
    )


def render(variant: Variant, item: Item, spoken: NDArray[np.int16] | None) -> NDArray[np.int16]:
    """Return the samples of one file.

    Args:
        variant: variant of the corpus, which decides the recordings an attack may use.
        item: the file.
        spoken: output of the speech synthesiser, for the attacks that need it.
    """
    rng = np.random.default_rng(seed_of(item))
    wave = utterances(item.voice, item.takes)[item.take]
    if item.attack != NO_ATTACK:
        wave = through_codec(ATTACKS[item.attack](wave, rng, _material(item, variant, spoken, rng)))
    return finish(wave, rng)
