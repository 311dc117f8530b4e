"""The exit behind a segment: pooling, the angular classifier and the adapter of the feature loss.

Shapes: B utterances, C channels, K = 2 classes (0 spoof, 1 bona fide).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fsd_model.networks.adapters import ADAPTERS, AdapterKind, adapt

CLASSES = 2


def global_average(map_BCx: Tensor) -> Tensor:
    """Return the mean over all axes behind the channels, (B, C, ...) -> (B, C), in float32."""
    return map_BCx.float().reshape(*map_BCx.shape[:2], -1).mean(2)


def average_in_format(map_BCx: Tensor) -> Tensor:
    """Return `global_average` with a gradient in the memory format of the map.

    Otherwise, with channels last, the gradient of the exit and that of the next segment would be added in two
    memory orders and the convolutions before would run in the slower one: a tenth of a step on a CPU.
    """
    if map_BCx.dim() == 4 and map_BCx.stride(1) == 1:
        return map_BCx.float().movedim(1, 3).mean((1, 2))
    return global_average(map_BCx)


@dataclass(frozen=True)
class MapShape:
    """Shape of a map (B, C, ...) known before any data: channels, and the number of axes behind them (0 to
    2).
    """

    channels: int
    axes: int


class AngularClassifier(nn.Module):
    """AngleLinear: computes cosines between the pooled feature and unit-norm class vectors, without a bias.

    The rows start uniform in (-1, 1) and normalised (Liu et al., SphereFace 2017).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.functional.normalize(torch.empty(CLASSES, width).uniform_(-1, 1)))

    def forward(self, feature_BC: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines in [-1, 1] as (B, K) and feature norms as (B,)."""
        norm_B = feature_BC.norm(dim=1)
        cosine_BK = nn.functional.linear(
            nn.functional.normalize(feature_BC), nn.functional.normalize(self.weight)
        )
        return cosine_BK.clamp(-1.0, 1.0), norm_B


@dataclass(frozen=True)
class ExitOutput:
    """Outputs of one exit for a batch.

    Attributes:
        cosine_BK: cosines to the class vectors.
        norm_B: norm of the pooled feature.
        feature_BC: pooled feature.
        map_BCx: the map that the exit stands on, channels first.
        projected_BD: the feature projected to the deepest exit's width; None at the deepest exit, and where
            no loss needs it.
    """

    cosine_BK: Tensor
    norm_B: Tensor
    feature_BC: Tensor
    map_BCx: Tensor
    projected_BD: Tensor | None = None

    @property
    def logits_BK(self) -> Tensor:
        """Logits |x| cos(theta) without margin, for soft losses and scores."""
        return self.norm_B[:, None] * self.cosine_BK


def bonafide_score(logits_BK: Tensor) -> Tensor:
    """Return logit[bona fide] - logit[spoof], (B, K) -> (B,); higher = more bona fide."""
    return logits_BK[:, 1] - logits_BK[:, 0]


class Exit(nn.Module):
    """Pools, classifies and, unless it is the deepest exit, projects to the deepest exit's width.

    The projection is a module of the exit, so that the optimiser trains it; it serves the feature loss only
    and is dropped at inference.

    Args:
        shape: of the map that the exit stands on.
        deepest: of the deepest map; None at the deepest exit.
        adapter: kind of projection; None where the feature loss needs none.
    """

    def __init__(
        self, shape: MapShape, deepest: MapShape | None, adapter: AdapterKind | None = "linear"
    ) -> None:
        super().__init__()
        self.classifier = AngularClassifier(shape.channels)
        self.adapter: nn.Module | None = None
        if deepest is not None and adapter is not None:
            self.adapter = ADAPTERS[adapter](shape.channels, shape.axes, deepest.channels)

    def forward(self, map_BCx: Tensor) -> ExitOutput:
        with torch.autocast(map_BCx.device.type, enabled=False):  # angles and losses need float32
            # two formulas of one mean: scores of a deployed detector keep the rounding they always had
            feature_BC = average_in_format(map_BCx) if self.training else global_average(map_BCx)
            cosine_BK, norm_B = self.classifier(feature_BC)
            projected_BD = None if self.adapter is None else adapt(self.adapter, map_BCx, feature_BC)
        return ExitOutput(cosine_BK, norm_B, feature_BC, map_BCx, projected_BD)
