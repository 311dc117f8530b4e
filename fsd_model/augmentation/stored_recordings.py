"""The training waveforms in the feature store, by the name of their utterance.

Shapes: N utterances, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsd_model.data.audio import Waveform
from fsd_model.data.utterance import Utterance
from fsd_model.features.front_end import MAX_SAMPLES, FeatureConfig
from fsd_model.features.storage_format import from_stored
from fsd_model.features.store import open_features
from fsd_model.progress import Progress


@dataclass(frozen=True)
class Recordings:
    """Recordings of a sequence of utterances.

    Attributes:
        samples_N1S: int16, read-only; a recording shorter than S is repeated.
        lengths_N: samples of each recording, which may be more than S.
        row_of: row of each utterance, by name.
    """

    samples_N1S: NDArray[Any]
    lengths_N: NDArray[np.int32]
    row_of: dict[str, int]

    def waveform(self, name: str) -> Waveform:
        """Return the waveform (S',) float32 in [-1, 1) at its own length, at most S."""
        row = self.row_of[name]
        return from_stored(self.samples_N1S[row, 0, : self.lengths_N[row]])


def open_recordings(
    store: Path,
    utterances: Sequence[Utterance],
    feature: FeatureConfig,
    progress: Progress | None = None,
) -> Recordings:
    """Open as much of each recording as the front end reads, storing it where the store has none yet.

    Raises:
        InputError: as `open_features`.
    """
    as_waveform = (
        feature if feature.kind == "waveform" else FeatureConfig(kind="waveform", samples=MAX_SAMPLES)
    )
    stored = open_features(store, utterances, as_waveform, progress)
    if stored.lengths_N is None:
        raise TypeError("a store of waveforms has lengths")
    row_of = {utterance.name: row for row, utterance in enumerate(utterances)}
    return Recordings(stored.array, stored.lengths_N, row_of)
