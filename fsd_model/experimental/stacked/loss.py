"""The losses of all members of a stack: `distill_loss` of each, computed together.

Shapes: K members, B utterances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields

import torch
from torch import Tensor

from fsd_model.distillation.teacher import split_views, teach
from fsd_model.distillation.total_loss import DistillConfig, LossTerms, Scalars, distill_loss
from fsd_model.errors import InputError
from fsd_model.networks.exits import ExitOutput

SCALARS = (
    "hard_weight", "soft_weight", "feature_weight", "temperature", "temperature_schedule", "temperature_end",
    "lambda_schedule", "ramp",
)  # fmt: skip
"""What may differ between the members' `DistillConfig`s."""


def require_alike(config: DistillConfig, other: DistillConfig) -> None:
    """Raise if configurations differ in more than `SCALARS`.

    Raises:
        InputError: such configurations.
    """
    if config != other.model_copy(update={name: getattr(config, name) for name in SCALARS}):
        raise InputError(f"distill: a stack may differ in {', '.join(SCALARS)}, not in the rest; train apart")


def together(scalars_K: Sequence[Scalars], device: torch.device) -> Scalars:
    """Return each scalar as (K,), in one copy to the device."""
    values_SK = torch.tensor([astuple(each) for each in scalars_K]).T
    return Scalars(*values_SK.to(device).unbind())


def stacked_loss(
    config: DistillConfig,
    scalars: Scalars,
    outputs: Sequence[ExitOutput],
    labels_KB: Tensor,
    two_view: bool = False,
) -> LossTerms:
    """Return the loss terms of each member, (K,); arguments as of `distill_loss`, the members in front.

    Args:
        config: settings of any member; they are alike.
        scalars: scalars of the members' updates, which may differ, (K,) each.
        two_view: whether the second half of the batch is the first without augmentation, as the teacher's
            view.
    """
    parts = [{f.name: each for f in fields(o) if (each := getattr(o, f.name)) is not None} for o in outputs]

    def member(
        own: dict[str, Tensor], parts: list[dict[str, Tensor]], labels_B: Tensor
    ) -> tuple[Tensor, ...]:
        exits = [ExitOutput(**part) for part in parts]
        learners, clean = split_views(exits) if two_view else (exits, None)
        teaching = teach(config.teacher, learners, clean)
        terms = distill_loss(config, exits, labels_B, Scalars(**own), teaching)
        return terms.total, terms.hard, terms.soft, terms.feature

    own = {f.name: getattr(scalars, f.name) for f in fields(scalars)}
    return LossTerms(*torch.vmap(member)(own, parts, labels_KB))
