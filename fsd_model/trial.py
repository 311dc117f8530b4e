"""The trial function of a search: `fsd_model.trial:run`. Imports nothing of the search."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from fsd_model.atomic import write_text
from fsd_model.backbone import build_backbone
from fsd_model.config import TrainConfig
from fsd_model.export import export_detector
from fsd_model.feature_store import default_store
from fsd_model.progress import progress_bar
from fsd_model.split import SplitNetwork
from fsd_model.trainer import Trainer
from fsd_model.training_data import open_training_data, shuffled_batches


class Context(Protocol):
    """What a caller offers: a folder to resume from, and a place to report to."""

    @property
    def checkpoint(self) -> Path | None:
        """A folder an earlier attempt saved, or None."""

    def report(self, metrics: Mapping[str, float], save: Callable[[Path], None] | None = None) -> None:
        """Take one epoch's metrics; may not return."""


def run(params: dict[str, Any], context: Context) -> None:
    """Train one configuration, reporting every epoch; resumes where `context.checkpoint` is given.

    Args:
        params: the fields of `TrainConfig` as nested plain values.
        context: reports go there.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
        DivergenceError: the loss became NaN or infinite.
    """
    trainer = Trainer(TrainConfig.model_validate(params))
    if context.checkpoint is not None:
        trainer.load(context.checkpoint)
    for metrics in trainer.epochs():
        context.report(metrics, partial(save_trial, trainer))


def save_trial(trainer: Trainer, folder: Path) -> None:
    """Write the training state, the detector of the best epoch so far and the facts for `best.yaml`."""
    trainer.save(folder)
    detector = export_detector(trainer, folder / "export" / "detector")
    facts = {
        "best_epoch": detector.card.epoch,
        "data_digest": detector.card.data_digest,
        "fingerprint": detector.card.fingerprint,
        "parameters": detector.card.parameters,
        "threshold": detector.card.threshold,
    }
    write_text(folder / "facts.json", json.dumps(facts, indent=2) + "\n")


def prepare(settings: dict[str, Any]) -> dict[str, Any]:
    """Check the data and compute the features once, before any trial; returns absolute paths.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
    """
    config = TrainConfig.model_validate(settings)
    store = (config.runtime.store or default_store()).expanduser().absolute()
    root = config.data.root.expanduser().absolute()
    resolved = config.override({"runtime.store": store, "data.root": root})
    with progress_bar(f"features ({config.feature.kind})") as progress:
        open_training_data(resolved, progress)
    runtime_settings = {**settings.get("runtime", {}), "store": str(store)}
    return {**settings, "data": {**settings["data"], "root": str(root)}, "runtime": runtime_settings}


def check(params: dict[str, Any], step: bool) -> None:
    """Build a configuration; with `step` also open its data and train one batch.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
    """
    config = TrainConfig.model_validate(params)
    if not step:
        backbone = build_backbone(config.network.family, config.network.depth, config.network)
        SplitNetwork(backbone, config.split)
        return
    trainer = Trainer(config)
    rows_B = next(shuffled_batches(len(trainer.data.train.labels_N), config.batch_size, config.seed, 0))
    terms = trainer.train_step(rows_B)
    if not torch.isfinite(terms.total):
        raise ArithmeticError(f"the loss of the first batch is {float(terms.total)}")
