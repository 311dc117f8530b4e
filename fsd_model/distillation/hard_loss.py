"""Hard, soft and feature loss as pure functions; each states its reduction.

Shapes: B utterances, K classes, D width of the deepest feature. Labels are 0 (spoof) and 1 (bona fide).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

LambdaSchedule = Literal["annealed", "frozen"]

_THRESHOLDS = (math.cos(math.pi / 4), 0.0, math.cos(3 * math.pi / 4))


def margin_cosine(cosine: Tensor) -> Tensor:
    """Return psi(theta) = (-1)^k cos(4 theta) - 2k on theta in [k pi/4, (k+1) pi/4], for a cosine of any
    shape.

    cos(4 theta) is the Chebyshev polynomial 8c^4 - 8c^2 + 1 and k counts the thresholds below which c lies,
    so no arc cosine (whose gradient is infinite at +-1) is taken. psi falls from 1 at theta = 0 to -7 at pi.

    Source: SphereFace (Liu et al. 2017), eq. 6, m = 4.
    """
    square = cosine * cosine
    cos4 = 8 * square * square - 8 * square + 1
    k = torch.zeros_like(cosine)
    for threshold in _THRESHOLDS:
        k = k + (cosine.detach() <= threshold).to(cosine.dtype)
    sign = 1 - 2 * (k % 2)
    return sign * cos4 - 2 * k


def margin_lambda(step: int, schedule: LambdaSchedule) -> float:
    """Return the weight of the plain cosine against the margin at optimiser step `step` (counted from 1).

    "annealed": max(5, 1500 / (1 + 0.1 step)), which reaches 5 at step 2990. "frozen": the value of step 1,
    1363.6, constantly; the margin then has weight 1/1364.6, as in a trainer that rebuilds its loss for each
    batch.
    """
    at = step if schedule == "annealed" else 1
    return max(5.0, 1500.0 / (1.0 + 0.1 * at))


def a_softmax(cosine_BK: Tensor, norm_B: Tensor, labels_B: Tensor, lam: float | Tensor) -> Tensor:
    """Return the angular softmax loss, mean over the batch.

    The target's logit is |x| (cos + (psi - cos) / (1 + lambda)), the other's |x| cos.

    Args:
        cosine_BK: cosines to the class vectors, in [-1, 1].
        norm_B: feature norms.
        labels_B: int64 class indices.
        lam: lambda >= 0; infinity would be the plain softmax.

    Returns:
        Scalar loss, nats.

    Source: SphereFace (Liu et al. 2017), eq. 7 with its annealing.
    """
    target = functional.one_hot(labels_B, cosine_BK.shape[1]).to(cosine_BK.dtype)
    shift = (margin_cosine(cosine_BK) - cosine_BK) / (1.0 + lam)
    return functional.cross_entropy(norm_B[:, None] * (cosine_BK + target * shift), labels_B)
