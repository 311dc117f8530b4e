"""How utterances are drawn again: whole speakers, or single utterances where speakers are few or unknown.

Utterances of one speaker resemble each other, so drawing them one by one makes intervals too narrow.

Shapes: N utterances, U units (speakers or utterances).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsd_model.protocol import BONAFIDE, SPOOF
from fsd_model.ranking import Counts

Unit: TypeAlias = Literal["speaker", "utterance"]

UNKNOWN_SPEAKER = "-"
MIN_SPEAKERS = 10
"""Below this, a draw of speakers has too few outcomes for a 95 % interval (measured in `docs/metrics.md`)."""


@dataclass(frozen=True, eq=False)
class Resampling:
    """What is drawn with replacement, and among what.

    Attributes:
        unit: what is drawn as a whole.
        unit_N: the unit of each utterance.
        strata: units that are drawn among themselves; no draw leaves a stratum empty.
    """

    unit: Unit
    unit_N: NDArray[np.intp]
    strata: tuple[NDArray[np.intp], ...]

    @property
    def units(self) -> int:
        return sum(map(len, self.strata))

    def draw(self, rng: np.random.Generator) -> Counts:
        """How often each utterance counts in one resample; both classes are always there."""
        counts_U = np.zeros(self.units, dtype=np.int64)
        for stratum in self.strata:
            drawn = rng.integers(len(stratum), size=len(stratum))
            counts_U[stratum] = np.bincount(drawn, minlength=len(stratum))
        return counts_U[self.unit_N]


def resampling(
    labels_N: NDArray[np.integer], attacks: Sequence[str], speakers: Sequence[str] | None
) -> Resampling:
    """By speaker where at least `MIN_SPEAKERS` are known, otherwise by utterance.

    Speakers are drawn among those with both classes, with bona fide and with spoofed speech alone, so the mix
    of roles stays; utterances among those of the same class and attack.

    Args:
        labels_N: (N,) BONAFIDE or SPOOF, both present.
        attacks: attack of each utterance.
        speakers: speaker of each utterance, `-` where unknown; None where no one is known.
    """
    if speakers is not None and UNKNOWN_SPEAKER not in speakers:
        names_U, unit_N = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
        if len(names_U) >= MIN_SPEAKERS:
            bonafide_U = np.bincount(unit_N[labels_N == BONAFIDE], minlength=len(names_U)) > 0
            spoof_U = np.bincount(unit_N[labels_N == SPOOF], minlength=len(names_U)) > 0
            return Resampling("speaker", unit_N, _groups(2 * bonafide_U + spoof_U))
    _, attack_N = np.unique(np.asarray(attacks, dtype=str), return_inverse=True)
    return Resampling("utterance", np.arange(len(labels_N)), _groups(2 * attack_N + (labels_N == BONAFIDE)))


def _groups(kind_U: NDArray[np.integer]) -> tuple[NDArray[np.intp], ...]:
    return tuple(np.flatnonzero(kind_U == kind) for kind in np.unique(kind_U))
