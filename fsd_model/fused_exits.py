"""All exits of a training step at once: one product for every classifier, one for every linear adapter.

Exits are narrow: apart, each spends some fifty operations on next to no arithmetic, and on a GPU every
operation is a launch that costs more than what it computes. Here features and weights lie side by side,
filled with zeros to the widest. Zeros change no sum, so the results are those of `Exit` one by one, but for
rounding.

Shapes: E exits, S = E - 1 shallow exits, B utterances, C channels, W the most channels, K classes, D width of
the deepest feature.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsd_model.adapters import adapt
from fsd_model.exits import Exit, ExitOutput, global_average

_TINY = 1e-12  # as in `torch.nn.functional.normalize`


def side_by_side(parts: Sequence[Tensor], width: int) -> Tensor:
    """E matrices (R, C), each filled with zeros to `width` columns, as one (E, R, width)."""
    rows = len(parts[0])
    zero = parts[0].new_zeros(1, 1)
    filled = [piece for part in parts for piece in (part, zero.expand(rows, width - part.shape[1]))]
    return torch.cat(filled, dim=1).view(rows, len(parts), width).transpose(0, 1)


def average_in_format(map_BCx: Tensor) -> Tensor:
    """`global_average` whose gradient has the memory format of the map.

    With channels last it would otherwise be added to the gradient of the next segment element by element in
    two orders, and the convolutions before it would go on in the wrong one: a tenth of a step on a CPU.
    """
    if map_BCx.dim() == 4 and map_BCx.stride(1) == 1:
        return map_BCx.float().movedim(1, 3).mean((1, 2))
    return global_average(map_BCx)


def leave_together(exits: Sequence[Exit], maps: Sequence[Tensor]) -> list[ExitOutput]:
    """What every exit says of its map (B, C, ...): `Exit.forward` for all of them, in float32.

    Args:
        exits: shallowest first; the last is the deepest.
        maps: of each.
    """
    with torch.autocast(maps[0].device.type, enabled=False):
        features = [average_in_format(map_BCx) for map_BCx in maps]
        width = max(feature_BC.shape[1] for feature_BC in features)
        features_EBW = side_by_side(features, width)
        norm_EB = features_EBW.norm(dim=2)
        weights_EKW = side_by_side([each.classifier.weight for each in exits], width)
        logits_EBK = features_EBW @ functional.normalize(weights_EKW, dim=2).transpose(1, 2)
        cosine_EBK = (logits_EBK / norm_EB.clamp_min(_TINY)[..., None]).clamp(-1.0, 1.0)
        projected = _projected(exits, maps, features, features_EBW)
    together = zip(cosine_EBK.unbind(), norm_EB.unbind(), features, maps, projected, strict=True)
    return [ExitOutput(*of_one) for of_one in together]


def _projected(
    exits: Sequence[Exit], maps: Sequence[Tensor], features: Sequence[Tensor], features_EBW: Tensor
) -> list[Tensor | None]:
    adapters = [each.adapter for each in exits]
    linear = [adapter for adapter in adapters[:-1] if isinstance(adapter, nn.Linear)]
    if not linear:
        each = zip(adapters, maps, features, strict=True)
        return [None if adapter is None else adapt(adapter, *read) for adapter, *read in each]
    weights_SDW = side_by_side([adapter.weight for adapter in linear], features_EBW.shape[2])
    bias_SD = torch.stack([adapter.bias for adapter in linear])
    shallow_SBW = features_EBW[: len(linear)]
    return [*torch.baddbmm(bias_SD[:, None], shallow_SBW, weights_SDW.transpose(1, 2)).unbind(), None]
