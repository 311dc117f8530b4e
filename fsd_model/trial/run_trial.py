"""The trial function `fsd_model.trial:run`; imports nothing from the search."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fsd_model.atomic_write import write_text
from fsd_model.distributed.processes import joined, processes_of_this_training
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import open_training_data
from fsd_model.training.export import export_detector
from fsd_model.training.objective import resolve_groups
from fsd_model.training.trainer import Trainer
from fsd_model.trial.artifacts import dataset_name, write_artifacts
from fsd_model.trial.attack_folds import shared_attacks
from fsd_model.trial.building import build_trainer
from fsd_model.trial.context import Context, More, StackContext
from fsd_model.trial.leave_attack_out import Folds, run_folds
from fsd_model.trial.stacked_run import StackedTrials


def run(config: dict[str, Any], context: Context) -> None:
    """Train one configuration; resumes where `context.checkpoint` is given.

    Reports every epoch; with the objective of unseen attacks every fold, and finally the training on all
    attacks, whose detector is exported. Every report contains `training.resource_metrics.RESOURCE_METRICS`.

    Where there are several processes (see `fsd_model.distributed.processes`), all of them call this with the
    same config and checkpoint and train one model together. Each reports the same metrics; only the first
    saves.

    Args:
        config: the fields of `TrainConfig` as nested plain values.
        context: receives the reports, and has the checkpoint to resume from.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
        DivergenceError: the loss became NaN or infinite.
    """
    train_config = TrainConfig.model_validate(config)
    train = _run_unseen if train_config.objective.name == "unseen-attacks" else _run
    with joined():
        train(train_config, context)


def run_stack(
    configs_K: Sequence[dict[str, Any]], contexts_K: Sequence[StackContext], more: More | None = None
) -> None:
    """Train configurations that differ in scalars as one model; each reports as `run` would.

    After every epoch each context gets its own metrics. A trial whose report raises SystemExit leaves. A
    trial leaves with `over(error)` if its report raises anything else, if it diverges, or if it cannot be
    built (faulty settings, data or checkpoint, or settings that do not stack with the first valid trial), and
    with `over(None)` after its last epoch. The others continue. A trial can resume from a checkpoint of `run`
    and vice versa, whatever epoch the others are at.

    `more()` is called before the first epoch and after the reports of each epoch, until it returns none; the
    caller limits how many trials train at once. Returns when no trial is left and `more` returns none.

    Args:
        configs_K: configurations as for `run`, with equal `stackable` keys.
        contexts_K: contexts of the trials.
        more: returns config and context of further trials with that key.

    Raises:
        Exception: whatever the joint computation raises, such as torch.OutOfMemoryError, and what `more` or
            `over` raise. It ends all trials that are not over, without a call of their contexts.
    """
    trials = StackedTrials(save_trial)
    for config, context in zip(configs_K, contexts_K, strict=True):
        trials.take(config, context)
    trials.run(more)


def _run(train_config: TrainConfig, context: Context) -> None:
    trainer = build_trainer(train_config)
    if context.checkpoint is not None:
        trainer.load(context.checkpoint, context.cloned)
    for metrics in trainer.epochs():
        context.report(metrics, _of_the_first(partial(save_trial, trainer)))


def _run_unseen(train_config: TrainConfig, context: Context) -> None:
    data = open_training_data(train_config)
    groups = resolve_groups(train_config.objective.groups, shared_attacks(data))
    train_config = train_config.override({"objective.groups": groups})
    key = f"{train_config.fingerprint()} {data.digest}"
    folds = Folds(key=key) if context.checkpoint is None else Folds.load(context.checkpoint, key)
    for metrics in run_folds(train_config, data, folds):
        context.report(metrics, _of_the_first(folds.save))
    trainer = build_trainer(train_config, data)
    for last in trainer.epochs():
        metrics = {**last, **folds.metrics()}

    def save(folder: Path) -> None:
        save_trial(trainer, folder)
        folds.save(folder)

    context.report(metrics, _of_the_first(save))


def _of_the_first(save: Callable[[Path], None]) -> Callable[[Path], None] | None:
    return save if processes_of_this_training().rank == 0 else None


def save_trial(trainer: Trainer, folder: Path) -> None:
    """Write the training's state, the detector of its best epoch, artifacts and facts."""
    trainer.save(folder)
    write_artifacts(trainer, folder / "artifacts")
    detector = export_detector(trainer, folder / "export" / "detector")
    facts = {
        "best_epoch": detector.card.epoch,
        "dataset": dataset_name(trainer.config.data),
        "data_source": str(trainer.config.data.root),
        "data_digest": detector.card.data_digest,
        "fingerprint": detector.card.fingerprint,
        "parameters": detector.card.parameters,
        "threshold": detector.card.operating_point.threshold,
    }
    write_text(folder / "facts.json", json.dumps(facts, indent=2) + "\n")
