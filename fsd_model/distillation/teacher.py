"""The teacher of the exits: the deepest exit, the ensemble of exits, or a moving average of the network.

No exit is compared with its own output: the deepest exit learns from a teacher only where that teacher
differs from it (an ensemble, a moving average, or another view of the utterance).

Shapes: B utterances, K = 2 classes, C channels, F bins, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from fsd_model.networks.exits import ExitOutput

TeacherKind = Literal["deepest", "ensemble", "ema"]


@dataclass(frozen=True)
class Teaching:
    """Targets, detached, and the exits that learn them.

    Attributes:
        logits_BK, feature_BC, map_BCx: outputs of the teacher.
        soft_learners, feature_learners: learning exits, shallowest first; the deepest only where the targets
            are not its own logits or feature.
    """

    logits_BK: Tensor
    feature_BC: Tensor
    map_BCx: Tensor
    soft_learners: tuple[ExitOutput, ...]
    feature_learners: tuple[ExitOutput, ...]


def ensemble_logits(outputs: Sequence[ExitOutput]) -> Tensor:
    """Return the mean of the exits' logits, (B, K): the geometric mean of their predictions at any
    temperature.

    An exit with larger logits counts more, as it does in the mean of the exits' scores.
    """
    return torch.stack([output.logits_BK for output in outputs]).mean(0)


def teach(
    kind: TeacherKind,
    outputs: Sequence[ExitOutput],
    clean: Sequence[ExitOutput] | None = None,
    average: ExitOutput | None = None,
) -> Teaching:
    """Select teacher and learners.

    Args:
        kind: "deepest" teaches the shallow exits (arXiv 2303.01211); "ensemble" takes the mean of all exits'
            logits and the deepest exit's feature; "ema" the deepest exit of a moving average of the network.
        outputs: the learners' exits, shallowest first.
        clean: the same exits on the clean view of the utterances, where there are two views; these teach.
        average: the moving average's deepest exit, on the clean view where there is one; for "ema" alone.

    Source: ensemble teacher as in ONE (Lan et al. 2018), without gate; moving average as in the mean teacher
    (Tarvainen and Valpola 2017); two views as in teacher-student training for noise.
    """
    if (kind == "ema") != (average is not None):
        raise ValueError(f"teacher {kind!r}: the moving average's output belongs to 'ema' alone")
    seen = outputs if clean is None else clean
    teacher = seen[-1] if average is None else average
    together = kind == "ensemble" and len(seen) > 1
    logits_BK = ensemble_logits(seen) if together else teacher.logits_BK
    own = teacher is outputs[-1]
    return Teaching(
        logits_BK.detach(),
        teacher.feature_BC.detach(),
        teacher.map_BCx.detach(),
        tuple(outputs[:-1] if own and not together else outputs),
        tuple(outputs[:-1] if own else outputs),
    )


def _half(output: ExitOutput, index: int) -> ExitOutput:
    whole = {field.name: getattr(output, field.name) for field in fields(output)}
    return replace(output, **{n: part.chunk(2)[index] for n, part in whole.items() if part is not None})


def split_views(outputs: Sequence[ExitOutput]) -> tuple[list[ExitOutput], list[ExitOutput]]:
    """Split the outputs for a batch of 2B, two views of B utterances, into those of each view."""
    return [_half(output, 0) for output in outputs], [_half(output, 1) for output in outputs]


def _average(decay: float, averaged: Any, current: Any, count: Tensor | int) -> None:
    reach = float(count) / (float(count) + 1)
    torch._foreach_lerp_(averaged, current, 1 - min(decay, reach))


class EmaTeacher:
    """A copy of the network whose weights are a moving average of the trained ones.

    After update n its weights are d a_(n-1) + (1 - d) w_n with d = min(decay, (n - 1) / n): the plain mean at
    first, so that the initial weights are forgotten and short trainings have a teacher, too. It normalises
    with the statistics of its batch (training mode), as the learners do: their running statistics belong to
    other weights. No gradient reaches it, and it is not deployed.

    Args:
        network: the trained network, which is copied with its exits.
        decay: decay of the weights, in [0, 1); 0 copies the network after each update. The average reaches
            back about 1 / (1 - decay) updates: keep that below a tenth of the training.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.average = AveragedModel(network, multi_avg_fn=partial(_average, decay))
        self.average.requires_grad_(False).train()

    def output(self, features_BFT: Tensor) -> ExitOutput:
        """Return the output of its deepest exit."""
        with torch.no_grad():
            outputs: list[ExitOutput] = self.average(features_BFT)
        return outputs[-1]

    def update(self, network: nn.Module) -> None:
        """Average in the weights after an optimiser step."""
        self.average.update_parameters(network)

    def state_dict(self) -> dict[str, Any]:
        return self.average.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state)
