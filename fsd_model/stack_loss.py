"""The losses of all members of a stack: `distill_loss` of each, computed together.

Shapes: K members, B utterances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from fsd_model.distill import DistillConfig, LossTerms, distill_loss
from fsd_model.errors import InputError
from fsd_model.exits import ExitOutput
from fsd_model.teacher import split_views, teach

SCALARS = ("hard_weight", "soft_weight", "feature_weight", "temperature", "temperature_end")
"""What may differ between the members' `DistillConfig`s."""


def scalars_of(configs: Sequence[DistillConfig], device: torch.device) -> dict[str, Tensor]:
    """Each of `SCALARS` as (K,).

    Raises:
        InputError: configurations that differ in something else, or that nothing can be stacked with.
    """
    first = configs[0]
    if any(first != config.model_copy(update={n: getattr(first, n) for n in SCALARS}) for config in configs):
        raise InputError(f"distill: a stack may differ in {', '.join(SCALARS)}, not in the rest; train apart")
    require_memoryless(first)
    values = {name: [getattr(config, name) for config in configs] for name in SCALARS}
    return {name: torch.tensor(each, device=device) for name, each in values.items()}


def require_memoryless(config: DistillConfig) -> None:
    """Refuse what outlives an update beside weights, as it would have to be stacked too.

    Raises:
        InputError: such a setting.
    """
    if config.teacher == "ema" or config.scale_balance:
        setting = "teacher: ema" if config.teacher == "ema" else "scale_balance: true"
        raise InputError(f"distill.{setting} cannot be stacked; train such trials alone, or choose another")


def stacked_loss(
    config: DistillConfig,
    scalars: Mapping[str, Tensor],
    outputs: Sequence[ExitOutput],
    labels_KB: Tensor,
    step: int,
    progress: float,
    two_view: bool = False,
) -> LossTerms:
    """The loss terms of each member, (K,); arguments as of `distill_loss`, the members in front.

    Args:
        config: the members'; its scalars are not read.
        scalars: see `scalars_of`.
        two_view: the second half of the batch is the first without augmentation, and teaches it.
    """
    parts = [{f.name: each for f in fields(o) if (each := getattr(o, f.name)) is not None} for o in outputs]

    def member(
        own: dict[str, Tensor], parts: list[dict[str, Tensor]], labels_B: Tensor
    ) -> tuple[Tensor, ...]:
        exits = [ExitOutput(**part) for part in parts]
        learners, clean = split_views(exits) if two_view else (exits, None)
        teaching = teach(config.teacher, learners, clean)
        mine = config.model_copy(update=own)
        terms = distill_loss(mine, exits, labels_B, step, progress, teaching)
        return terms.total, terms.hard, terms.soft, terms.feature

    return LossTerms(*torch.vmap(member)(dict(scalars), parts, labels_KB))
