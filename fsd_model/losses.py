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
    """psi(theta) = (-1)^k cos(4 theta) - 2k on theta in [k pi/4, (k+1) pi/4], for a cosine of any shape.

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
    """Weight of the plain cosine against the margin at optimiser step `step` (counted from 1).

    "annealed": max(5, 1500 / (1 + 0.1 step)), which reaches 5 at step 2990. "frozen": the value of step 1,
    1363.6, for ever; the margin then weighs 1/1364.6, as in a trainer that rebuilds its loss for each batch.
    """
    at = step if schedule == "annealed" else 1
    return max(5.0, 1500.0 / (1.0 + 0.1 * at))


def a_softmax(cosine_BK: Tensor, norm_B: Tensor, labels_B: Tensor, lam: float | Tensor) -> Tensor:
    """Angular softmax loss, mean over the batch.

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


def soft_loss(student_BK: Tensor, teacher_BK: Tensor, temperature: float | Tensor) -> Tensor:
    """KL(teacher || student) of the softened predictions, times T^2, mean over the batch ("batchmean").

    The teacher is detached: no gradient reaches it. T^2 keeps the gradient's size when T changes.

    Args:
        student_BK: logits of a shallow exit, or (S, B, K) of several.
        teacher_BK: logits of the deepest exit.
        temperature: T > 0.

    Returns:
        Scalar loss, nats, or one for each of the S students; 0 where the predictions agree.

    Source: Hinton et al. 2015; arXiv 2303.01211 (soft loss between the deepest and a shallow prediction).
    """
    teacher = functional.log_softmax(teacher_BK.detach() / temperature, dim=-1)
    student = functional.log_softmax(student_BK / temperature, dim=-1)
    return divergence(student, teacher) * (temperature * temperature / student_BK.shape[-2])


def divergence(log_student_BK: Tensor, log_teacher_BK: Tensor) -> Tensor:
    """KL(teacher || student) of log-probabilities, summed over the batch, nats; leading axes stay.

    `functional.kl_div` in its own operations: it has no rule for `torch.vmap`, which stacked trials compute
    their losses with.
    """
    return (log_teacher_BK.exp() * (log_teacher_BK - log_student_BK)).sum((-2, -1))


def feature_loss(projected_BD: Tensor, deepest_BD: Tensor) -> Tensor:
    """Squared error between a projected shallow feature and the detached deepest one, mean over B and D.

    One loss for each of S features (S, B, D), too.

    Source: arXiv 2303.01211 (L2 between features); the mean over D is this project's choice, so that the
    weight keeps its meaning when the width changes.
    """
    target = deepest_BD.detach().expand_as(projected_BD)
    return functional.mse_loss(projected_BD, target, reduction="none").mean((-2, -1))
