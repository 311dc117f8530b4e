"""SpecAugment: masks over frames and feature rows.

`torchaudio.functional.mask_along_axis` draws from PyTorch's global generator, so an utterance's masks would
depend on the batches before it. Here they are drawn on the host, from a generator per utterance, and applied
to a whole batch on its device.

Source: Park et al. 2019, section 2, without time warping; there the features have mean 0, so its masks of 0
are masks of the mean, the default here.

Shapes: B utterances, F feature rows, T frames, M masks of an utterance (frequency masks first).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.random import Generator
from torch import Tensor

from fsd_model.augmentation.config import SpecConfig


def draw_spans(config: SpecConfig, shape: tuple[int, ...], rng: Generator) -> list[slice]:
    """Draw the M masks of an utterance with features (F, T)."""
    rows, frames = shape
    frequency = [random_span(rows, config.frequency_width, rng) for _ in range(config.frequency_masks)]
    return frequency + [random_span(frames, config.time_width, rng) for _ in range(config.time_masks)]


def spec_augment(config: SpecConfig, features_BFT: Tensor, spans_BM2: Tensor) -> Tensor:
    """Return a copy of the features with the masked rows and frames filled.

    Args:
        config: number of masks of each kind, and what fills them.
        features_BFT: features as stored, float32.
        spans_BM2: first and last place + 1 of each mask, int64, on the same device; 0 and 0 mask nothing.

    Returns:
        (B, F, T), the same bits on every device: stored values have 11 bits, so their sum in float64 is exact
        in any order as long as their mean magnitude is below 19,000.
    """
    frequency_BM2, time_BM2 = torch.split(spans_BM2, [config.frequency_masks, config.time_masks], 1)
    rows_BF = _covered(frequency_BM2, features_BFT.shape[1])
    frames_BT = _covered(time_BM2, features_BFT.shape[2])
    fill_B = _FILLS[config.fill](features_BFT)
    return torch.where(rows_BF[:, :, None] | frames_BT[:, None], fill_B[:, None, None], features_BFT)


def _covered(spans_BM2: Tensor, size: int) -> Tensor:
    places = torch.arange(size, device=spans_BM2.device)
    return ((places >= spans_BM2[..., :1]) & (places < spans_BM2[..., 1:])).any(1)


def random_span(size: int, widest: int, rng: Generator) -> slice:
    """Draw a contiguous part of `size` places, width uniform from 0 to `widest`, at least one place left."""
    width = int(rng.integers(0, min(widest, size - 1), endpoint=True))
    start = int(rng.integers(0, size - width, endpoint=True))
    return slice(start, start + width)


def _mean(features_BFT: Tensor) -> Tensor:
    return (features_BFT.sum((1, 2), dtype=torch.float64) / features_BFT[0].numel()).float()


def _zero(features_BFT: Tensor) -> Tensor:
    return features_BFT.new_zeros(len(features_BFT))


def _minimum(features_BFT: Tensor) -> Tensor:
    return features_BFT.amin((1, 2))


_FILLS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": _mean,
    "zero": _zero,
    "minimum": _minimum,
}
