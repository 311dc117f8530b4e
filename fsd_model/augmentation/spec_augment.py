"""Masks over frames and feature rows.

Drawn here rather than by `torchaudio.functional.mask_along_axis`, which draws from PyTorch's global
generator: an utterance's mask would then depend on the batches before it.

Shapes: B utterances, F feature rows, T frames, M masks of an utterance (frequency masks first).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from fsd_model.augmentation.config import SpecConfig

Features = NDArray[np.float32]


def spec_augment(config: SpecConfig, features_FT: Features, rng: Generator) -> Features:
    """A copy of the features (F, T) with random frames and rows masked; see `SpecConfig`.

    Source: Park et al. 2019, section 2, without time warping; there the features have mean 0, so its masks
    of 0 are masks of the mean, the default here.
    """
    fill = _FILLS[config.fill](features_FT)
    masked_FT = features_FT.copy()
    spans = draw_spans(config, features_FT.shape, rng)
    for span in spans[: config.frequency_masks]:
        masked_FT[span] = fill
    for span in spans[config.frequency_masks :]:
        masked_FT[:, span] = fill
    return masked_FT


def draw_spans(config: SpecConfig, shape: tuple[int, ...], rng: Generator) -> list[slice]:
    """The M masks of an utterance of features (F, T)."""
    rows, frames = shape
    frequency = [random_span(rows, config.frequency_width, rng) for _ in range(config.frequency_masks)]
    return frequency + [random_span(frames, config.time_width, rng) for _ in range(config.time_masks)]


def mask_batch(config: SpecConfig, features_BFT: Tensor, spans_BM2: Tensor) -> Tensor:
    """As `spec_augment` of each utterance, in operations of the features' device.

    Args:
        config: of the draws.
        features_BFT: as stored, float32.
        spans_BM2: first place and the place behind the last of each mask, int64, on the same device; 0 and 0
            mask nothing.

    Returns:
        (B, F, T), bit for bit that of `spec_augment`: sums of stored values, of 11 bits each, are exact in
        float64 in any order, below a mean size of 19,000.
    """
    frequency_BM2, time_BM2 = torch.split(spans_BM2, [config.frequency_masks, config.time_masks], 1)
    rows_BF = _covered(frequency_BM2, features_BFT.shape[1])
    frames_BT = _covered(time_BM2, features_BFT.shape[2])
    fill_B = _BATCH_FILLS[config.fill](features_BFT)
    return torch.where(rows_BF[:, :, None] | frames_BT[:, None], fill_B[:, None, None], features_BFT)


def _covered(spans_BM2: Tensor, size: int) -> Tensor:
    places = torch.arange(size, device=spans_BM2.device)
    return ((places >= spans_BM2[..., :1]) & (places < spans_BM2[..., 1:])).any(1)


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


def _mean_of_each(features_BFT: Tensor) -> Tensor:
    return (features_BFT.sum((1, 2), dtype=torch.float64) / features_BFT[0].numel()).float()


def _zero_of_each(features_BFT: Tensor) -> Tensor:
    return features_BFT.new_zeros(len(features_BFT))


def _minimum_of_each(features_BFT: Tensor) -> Tensor:
    return features_BFT.amin((1, 2))


_BATCH_FILLS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": _mean_of_each,
    "zero": _zero_of_each,
    "minimum": _minimum_of_each,
}
