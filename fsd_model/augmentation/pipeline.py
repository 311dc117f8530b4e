"""Augmentation of training batches: noise, RawBoost and codec on the waveform, the front end, then masks.

Each part has its own generator per utterance, seeded with the run's seed, the epoch and the utterance's name.
So an utterance is augmented the same way in any batch, before and after a resume, with any number of threads;
and turning on one part leaves the draws of the others unchanged.

Shapes: B utterances, F feature rows, T frames, S samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fsd_model.augmentation.codec import random_codec
from fsd_model.augmentation.config import AugmentConfig
from fsd_model.augmentation.levels import Signal
from fsd_model.augmentation.noise import NoiseFiles, add_noise, open_noise
from fsd_model.augmentation.rawboost import rawboost
from fsd_model.augmentation.spec_augment import draw_spans
from fsd_model.augmentation.stored_recordings import Recordings, open_recordings
from fsd_model.data.utterance import Utterance
from fsd_model.features.front_end import FeatureConfig, Features, extract
from fsd_model.features.storage_format import as_stored
from fsd_model.progress import Progress

Part = Literal["noise", "rawboost", "codec", "spec"]

# first in the seed: keeps these draws apart from each other and from all that are seeded with (seed, epoch)
_STREAMS: dict[Part, int] = {"noise": 7001, "rawboost": 7002, "codec": 7003, "spec": 7004}


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of the training utterances of a run.

    Attributes:
        config: the parts and their probabilities.
        feature: the front end, computed again for recordings that were changed.
        seed: of the run.
        threads: utterances of a batch that are processed at once.
        recordings: needed where a part works on the recording; else None.
        noise: recorded noise; None makes it.
    """

    config: AugmentConfig
    feature: FeatureConfig
    seed: int
    threads: int = 1
    recordings: Recordings | None = None
    noise: NoiseFiles | None = None

    def batch(self, clean_BFT: Features, names_B: Sequence[str], epoch: int) -> Features:
        """Return features (B, F, T) of the augmented waveforms, without masks.

        Args:
            clean_BFT: stored features, not modified.
            names_B: names of the utterances.
            epoch: counted from 0.
        """
        augment = partial(self.utterance, epoch=epoch)
        if self.threads == 1:
            return np.stack([augment(*one) for one in zip(clean_BFT, names_B, strict=True)])
        with ThreadPoolExecutor(self.threads) as pool:
            return np.stack(list(pool.map(augment, clean_BFT, names_B)))

    def utterance(self, clean_FT: Features, name: str, epoch: int) -> Features:
        """Return features (F, T) of one augmented waveform; `clean_FT` where no part is drawn for it."""
        steps: list[tuple[Part, float, Callable[[Signal, Generator], Signal]]] = [
            ("noise", self.config.noise.probability, partial(add_noise, self.config.noise, self.noise)),
            ("rawboost", self.config.rawboost.probability, partial(rawboost, self.config.rawboost)),
            ("codec", self.config.codec.probability, partial(random_codec, self.config.codec)),
        ]
        generators = [_generator(self.seed, epoch, name, part) for part, _, _ in steps]
        drawn = [
            (step, rng)
            for (_, probability, step), rng in zip(steps, generators, strict=True)
            if rng.random() < probability
        ]
        if self.recordings is None or not drawn:
            return clean_FT
        wave_S = self.recordings.waveform(name).astype(np.float64)
        for step, rng in drawn:
            wave_S = step(wave_S, rng)
        return as_stored(self.feature, extract(self.feature, wave_S.astype(np.float32)))

    def spans(self, names_B: Sequence[str], shape: tuple[int, ...], epoch: int) -> NDArray[np.int64]:
        """Draw the masks of utterances, for `spec_augment`.

        Args:
            names_B: names of the utterances.
            shape: (F, T) of their features.
            epoch: counted from 0.

        Returns:
            (B, M, 2): first and last place + 1 of each mask; 0 and 0 where none is drawn.
        """
        spec = self.config.spec
        spans_BM2 = np.zeros((len(names_B), spec.frequency_masks + spec.time_masks, 2), dtype=np.int64)
        if spec.probability == 0:
            return spans_BM2
        for own_M2, name in zip(spans_BM2, names_B, strict=True):
            rng = _generator(self.seed, epoch, name, "spec")
            if rng.random() < spec.probability:
                for own_2, span in zip(own_M2, draw_spans(spec, shape, rng), strict=True):
                    own_2[:] = span.start, span.stop
        return spans_BM2


def open_augmentation(
    augment: AugmentConfig,
    feature: FeatureConfig,
    seed: int,
    threads: int,
    store: Path,
    utterances: Sequence[Utterance],
    progress: Progress | None = None,
) -> Augmentation | None:
    """Return the configured augmentation, or None if every part is off.

    Args:
        augment: the parts and their probabilities.
        feature: the front end.
        seed: of the run.
        threads: utterances of a batch that are processed at once.
        store: the feature store, which also keeps the recordings.
        utterances: the training set, every one that a batch may name.
        progress: as of `open_features`.

    Raises:
        InputError: a fault in the audio, in the store or in the folder of noise.
    """
    if augment.is_off:
        return None
    noise = recordings = None
    if augment.noise.probability > 0 and augment.noise.source == "files" and augment.noise.root is not None:
        noise = open_noise(augment.noise.root.expanduser())
    if augment.changes_waveforms:
        recordings = open_recordings(store, utterances, feature, progress)
    return Augmentation(augment, feature, seed, threads, recordings, noise)


def _generator(seed: int, epoch: int, name: str, part: Part) -> Generator:
    number = int.from_bytes(sha256(name.encode()).digest()[:8])
    return np.random.default_rng([_STREAMS[part], seed, epoch, number])
