"""Masks over frames and feature rows.

Drawn here rather than by `torchaudio.functional.mask_along_axis`, which draws from PyTorch's global
generator: an utterance's mask would then depend on the batches before it.

Shapes: F feature rows, T frames.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fsd_model.augment.config import SpecConfig

Features = NDArray[np.float32]


def spec_augment(config: SpecConfig, features_FT: Features, rng: Generator) -> Features:
    """A copy of the features (F, T) with random frames and rows masked; see `SpecConfig`.

    Source: Park et al. 2019, section 2, without time warping; there the features have mean 0, so its masks
    of 0 are masks of the mean, the default here.
    """
    fill = _FILLS[config.fill](features_FT)
    masked_FT = features_FT.copy()
    rows, frames = features_FT.shape
    for _ in range(config.frequency_masks):
        masked_FT[random_span(rows, config.frequency_width, rng)] = fill
    for _ in range(config.time_masks):
        masked_FT[:, random_span(frames, config.time_width, rng)] = fill
    return masked_FT


def random_span(size: int, widest: int, rng: Generator) -> slice:
    """A contiguous part of `size` places: width even from 0 to `widest`, place even; one place stays free."""
    width = int(rng.integers(0, min(widest, size - 1), endpoint=True))
    start = int(rng.integers(0, size - width, endpoint=True))
    return slice(start, start + width)


def _mean(features_FT: Features) -> float:
    return float(features_FT.mean(dtype=np.float64))


def _zero(features_FT: Features) -> float:
    return 0.0


def _minimum(features_FT: Features) -> float:
    return float(features_FT.min())


_FILLS = {"mean": _mean, "zero": _zero, "minimum": _minimum}
