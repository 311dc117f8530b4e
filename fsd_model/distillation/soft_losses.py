"""Soft losses: distances of a student's prediction from its teacher's, as pure functions of logits.

Every function takes (student_BK, teacher_BK, temperature), detaches the teacher, averages over the batch and
multiplies by T^2, which keeps the gradient's size when T changes (Hinton et al. 2015, section 2). Several
students at once, (S, B, K), give one loss each, (S,).

Shapes: B utterances, K = 2 classes (0 spoof, 1 bona fide).

Two techniques for many classes are left out on purpose, as they are void with K = 2: the non-target part
of decoupled distillation is a softmax over one class, always 0; and standardising the logits of one
utterance leaves +-1, so that only the arg max survives and the gradient vanishes. `margin_kl` standardises
over the batch instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def soft_loss(student_BK: Tensor, teacher_BK: Tensor, temperature: float | Tensor) -> Tensor:
    """Return KL(teacher || student) of the softened predictions, times T^2, mean over the batch
    ("batchmean").

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
    """Return KL(teacher || student) of log-probabilities, summed over the batch, nats; leading axes stay.

    Written out because `functional.kl_div` has no batching rule for `torch.vmap`, which stacked trials use.
    """
    return (log_teacher_BK.exp() * (log_teacher_BK - log_student_BK)).sum((-2, -1))


SoftKind = Literal["kl", "js", "margin_kl", "none"]
SoftLoss = Callable[[Tensor, Tensor, float | Tensor], Tensor]

_VARIANCE_FLOOR = 1e-8


def js_loss(student_BK: Tensor, teacher_BK: Tensor, temperature: float | Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of the softened predictions, times T^2, mean over the batch.

    Half the KL of each prediction to the mean of both. Bounded by T^2 ln 2, so a confident teacher that is
    wrong costs less than under KL: for noisy labels or an early teacher. Near agreement it is a quarter of
    KL.

    Args:
        student_BK: logits of the student.
        teacher_BK: logits of the teacher; detached.
        temperature: T > 0.

    Returns:
        Scalar loss in [0, T^2 ln 2], nats.

    Source: Lin 1991, with equal weights.
    """
    student = functional.log_softmax(student_BK / temperature, dim=-1)
    teacher = functional.log_softmax(teacher_BK.detach() / temperature, dim=-1)
    mean = torch.logaddexp(student, teacher) - math.log(2)
    halves = [divergence(mean, side) for side in (student, teacher)]
    return (halves[0] + halves[1]) * (temperature * temperature / 2 / student.shape[-2])


def standardised_margin(logits_BK: Tensor) -> Tensor:
    """Return the margin l1 - l0 with mean 0 and (population) variance 1 over the batch, (..., B, 2) -> (...,
    B).

    Variances below 1e-8 count as 1e-8, so equal margins give 0 rather than 0/0.
    """
    margin_B = logits_BK[..., 1] - logits_BK[..., 0]
    centred_B = margin_B - margin_B.mean(-1, keepdim=True)
    return centred_B / centred_B.square().mean(-1, keepdim=True).clamp_min(_VARIANCE_FLOOR).sqrt()


def margin_kl_loss(student_BK: Tensor, teacher_BK: Tensor, temperature: float | Tensor) -> Tensor:
    """Return the KL of two Bernoullis whose logits are the batch-standardised margins, times T^2, mean over
    the batch.

    The student learns how the teacher orders and spaces the utterances of the batch, not how large its logits
    are: for a shallow exit too narrow to reach the teacher's norms. Needs batches that hold both classes (a
    batch of two leaves only which of the two is higher).

    Args:
        student_BK: logits of the student, K = 2.
        teacher_BK: logits of the teacher; detached.
        temperature: T > 0; on standardised margins 1 to 2 is hot enough.

    Returns:
        Scalar loss, nats; unchanged by a shift of either side's margins and by a positive factor.

    Source: after logit standardisation (Sun et al. 2024), moved from the classes of one utterance to the
    utterances of one batch, as K = 2 demands.
    """
    sides = [standardised_margin(logits_BK) for logits_BK in (student_BK, teacher_BK)]
    student, teacher = (torch.stack([torch.zeros_like(side), side], dim=-1) for side in sides)
    return soft_loss(student, teacher, temperature)


SOFT_LOSSES: Mapping[SoftKind, SoftLoss] = {"kl": soft_loss, "js": js_loss, "margin_kl": margin_kl_loss}
"""Setting -> function; "none" has none."""
