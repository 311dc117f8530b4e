"""Makes one file of the demo corpus, in any process and in any order with the same result."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.attacks.registry import ATTACKS
from fsd_model.corpus.codec import through_codec
from fsd_model.corpus.plan import BONAFIDE, Item, Variant, takes_used
from fsd_model.corpus.post_processing import finish
from fsd_model.corpus.signals import SAMPLE_RATE_HZ, Floats
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


def render(item: Item, variant: Variant, spoken: NDArray[np.int16] | None) -> NDArray[np.int16]:
    """Samples of one file.

    Args:
        spoken: what the synthesiser said, for the attacks that need it.
    """
    rng = np.random.default_rng(item.seed)
    wave = utterances(item.voice, item.takes)[item.take]
    if item.system != BONAFIDE:
        wave = through_codec(ATTACKS[item.system](wave, rng, _material(item, variant, spoken, rng)))
    return finish(wave, rng)


def write_item(item: Item, variant: Variant, spoken: NDArray[np.int16] | None, folder: Path) -> None:
    """Makes one file and writes it as 16-bit FLAC."""
    memory = io.BytesIO()  # soundfile reports a full disk as a decoding error; Path.write_bytes does not
    soundfile.write(memory, render(item, variant, spoken), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    (folder / f"{item.utterance}.flac").write_bytes(memory.getvalue())
