"""An attack without any model: real snippets of the speaker, chosen and joined to say the sentence.

Shape suffixes: S samples, U frames of the inventory (10 ms), T frames of the sentence, C coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.signals import Floats, mel_cepstrum

_HOP = 160
_SHORTEST, _LONGEST = 8, 20  # frames a unit lasts: 80 to 200 ms
_FADE = 96  # 6 ms
_SEARCH = 160  # a join may move by 10 ms to fall in phase
_SHORTLIST = 12
_JOIN_WEIGHT = 2.0
_INVENTORY_SAMPLES = 16_000 * 90
_SPREAD_C = np.concatenate([[3.0], np.full(19, 1.2)])  # typical deviation of each coefficient


@dataclass(frozen=True)
class Inventory:
    """Recordings of one speaker, back to back, with their features scaled for comparison."""

    wave_S: Floats
    features_UC: Floats

    @classmethod
    def of(cls, recordings: tuple[Floats, ...]) -> Inventory:
        """Return the inventory of the first 90 seconds of recordings, in the order given."""
        wave = np.concatenate(recordings)[:_INVENTORY_SAMPLES]
        return cls(wave, mel_cepstrum(wave, len(_SPREAD_C), _HOP) / _SPREAD_C)

    def best_start(self, targets_3C: Floats, frames: int, previous_C: Floats | None) -> int:
        """Return the first frame of the unit that fits best at begin, middle, end and the join."""
        last = len(self.features_UC) - frames - 2
        distance = np.zeros(last)
        for target, offset in zip(targets_3C, (0, frames // 2, frames), strict=True):
            distance += ((self.features_UC[offset : offset + last] - target) ** 2).sum(1)
        # target cost over the whole inventory, join cost over a shortlist only
        best = np.argsort(distance, kind="stable")[:_SHORTLIST]
        cost = distance[best]
        if previous_C is not None:
            cost = cost + _JOIN_WEIGHT * ((self.features_UC[best] - previous_C) ** 2).sum(1)
        return int(best[cost.argmin()])

    def cut(self, start: int, frames: int) -> Floats:
        """Return the samples of a unit with room for the cross-fade and the search for the join."""
        first = max(0, start * _HOP - _SEARCH // 2)
        return self.wave_S[first : first + frames * _HOP + _FADE + _SEARCH]


def _join(done_S: Floats, unit_S: Floats, samples: int) -> Floats:
    """Append a unit in phase with the end of the waveform; the result is `samples` samples longer."""
    if len(done_S) < _FADE:
        return unit_S[: samples + _FADE].copy()
    tail = done_S[-_FADE:]
    offset = int(np.argmax(np.correlate(unit_S[: _FADE + _SEARCH], tail, "valid")))
    unit = unit_S[offset : offset + samples + _FADE]
    rise = np.linspace(0, 1, _FADE)
    return np.concatenate([done_S[:-_FADE], tail * (1 - rise) + unit[:_FADE] * rise, unit[_FADE:]])


def concatenate_units(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Join 80 to 200 ms units of the same speaker that match the sentence in mel cepstrum.

    Source: Hunt and Black, "Unit selection in a concatenative speech synthesis system", 1996.
    """
    inventory = Inventory.of(material.same_voice)
    sentence_TC = mel_cepstrum(wave_S, len(_SPREAD_C), _HOP) / _SPREAD_C
    done = np.zeros(0)
    previous = None
    t = 0
    while t < len(sentence_TC) - 2:
        count = min(int(rng.integers(_SHORTEST, _LONGEST + 1)), len(sentence_TC) - 1 - t)
        targets = sentence_TC[[t, t + count // 2, t + count]]
        start = inventory.best_start(targets, count, previous)
        done = _join(done, inventory.cut(start, count), count * _HOP)
        previous = inventory.features_UC[start + count]
        t += count
    return done[: len(wave_S)]
