"""Builds the trainer of a trial: the one place that plugs experimental code into it."""

from __future__ import annotations

from fsd_model.experimental.cuda_graph import record_updates
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData
from fsd_model.training.trainer import Trainer


def build_trainer(config: TrainConfig, data: TrainingData | None = None) -> Trainer:
    """Return a trainer, which replays a recorded update with `runtime.cuda_graph`.

    Args:
        config: the training.
        data: train and dev features; None opens what the config names.

    Raises:
        InputError: faulty data or settings.
    """
    trainer = Trainer(config, data)
    if config.runtime.cuda_graph:
        record_updates(trainer)
    return trainer
