"""The loss of one batch, with the state that outlives an update: the moving-average teacher.

Shapes: B utterances, F bins, T frames.
"""

from __future__ import annotations

from typing import Any

import torch

from fsd_model.distillation.feature_losses import require_axes
from fsd_model.distillation.schedules import progress_at
from fsd_model.distillation.teacher import EmaTeacher, split_views, teach
from fsd_model.distillation.total_loss import (
    DistillConfig,
    LossTerms,
    Scalars,
    compares_utterances,
    distill_loss,
    scalars_at,
)
from fsd_model.distributed.processes import ALONE, Processes
from fsd_model.errors import InputError
from fsd_model.features.feature_set import Batch
from fsd_model.networks.multi_exit import MultiExitNetwork


def require_means(config: DistillConfig, processes: Processes) -> None:
    """Raise if several processes cannot compute the loss from their shares of a batch.

    Raises:
        InputError: such a loss, with more than one process.
    """
    setting = compares_utterances(config)
    if processes.size > 1 and setting is not None:
        raise InputError(
            f"{setting} compares the utterances of a batch with each other, got {processes.size} processes"
            " that each see a share of it; take another loss, or one process"
        )


class Distiller:
    """Computes the loss of a batch; holds the moving average where the configuration uses one.

    Two views: where the batch has a clean view, network and batch norm see both halves in one forward pass
    of 2B. The hard loss is the mean over both halves, the teacher is computed on the clean half, and every
    exit, the deepest included, learns from it on the augmented half. A moving-average teacher sees only the
    clean view.

    Args:
        config: the loss.
        network: the trained network, on its device.
        updates: number of updates of the whole training; schedules end at the last.
        half: whether segments run in bfloat16.
        processes: the processes that share each batch.

    Attributes:
        cache_weights: whether autocast keeps converted weights between operations; a recorded update must
            convert them anew at each replay.

    Raises:
        InputError: a feature loss that the network's maps do not allow, or a loss that cannot be shared.
    """

    def __init__(
        self,
        config: DistillConfig,
        network: MultiExitNetwork,
        updates: int,
        half: bool,
        processes: Processes = ALONE,
    ) -> None:
        require_means(config, processes)
        shapes = network.backbone.shapes
        require_axes(config.feature, [shapes[end - 1].axes for end in (*network.cuts, len(shapes))])
        self.config = config
        self.network = network
        self.updates = updates
        self.half = half
        self.cache_weights = True
        self.processes = processes
        self.average = EmaTeacher(network, config.ema_decay) if config.teacher == "ema" else None

    def scalars(self, step: int) -> Scalars:
        """Return the scalars of update `step` (from 1)."""
        return scalars_at(self.config, step, progress_at(step, self.updates))

    def loss(self, batch: Batch, scalars: Scalars) -> LossTerms:
        """Compute the loss of a batch, or of a part of one, with the scalars of its update."""
        features_BFT, labels_B, seen_BFT = batch.features_BFT, batch.labels_B, batch.features_BFT
        if batch.clean_BFT is not None:
            seen_BFT = batch.clean_BFT
            features_BFT, labels_B = torch.cat([features_BFT, seen_BFT]), torch.cat([labels_B, labels_B])
        kind, cache = features_BFT.device.type, self.cache_weights
        with torch.autocast(kind, torch.bfloat16, enabled=self.half, cache_enabled=cache):
            outputs = self.network(features_BFT)
            average = None if self.average is None else self.average.output(seen_BFT)
        learners, clean = (outputs, None) if batch.clean_BFT is None else split_views(outputs)
        teaching = teach(self.config.teacher, learners, clean, average)
        return distill_loss(self.config, outputs, labels_B, scalars, teaching)

    def after_update(self) -> None:
        """Update the moving average after an optimiser step."""
        if self.average is not None:
            self.average.update(self.network)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs; empty where nothing outlives an update."""
        return {} if self.average is None else {"average": self.average.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        if self.average is not None:
            self.average.load_state_dict(state["average"])
