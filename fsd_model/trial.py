"""The trial function of a search: `fsd_model.trial:run`. Imports nothing of the search."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fsd_model.arms import arms, seeded
from fsd_model.atomic import write_text
from fsd_model.config import TrainConfig
from fsd_model.context import Context, More, StackContext
from fsd_model.cost import epoch_cost
from fsd_model.errors import InputError
from fsd_model.exit_figures import best_eer_of, exit_figures, exit_names
from fsd_model.export import export_detector
from fsd_model.feature_store import default_store
from fsd_model.folds import shared_attacks
from fsd_model.machine import FIGURES, TIME
from fsd_model.networks import build_network
from fsd_model.objective import resolve_groups
from fsd_model.parallel import joined, processes_of_this_training
from fsd_model.progress import progress_bar
from fsd_model.relief import relieve
from fsd_model.report import sections
from fsd_model.served_detector import served
from fsd_model.split import SplitNetwork
from fsd_model.stack_trial import StackedTrials, stackable
from fsd_model.trainer import Trainer
from fsd_model.training_data import open_training_data, shuffled_batches
from fsd_model.trial_artifacts import dataset_name, illustrate, write_artifacts
from fsd_model.trial_exits import exits, export, trade_off
from fsd_model.unseen import CLLR, FOLD, LOSS, MEAN, WORST, Folds, eer_of, mean_of, run_folds

__all__ = [
    "arms", "check", "cost", "describe", "exits", "export", "illustrate", "prepare", "relieve", "run",
    "run_stack", "sections", "seeded", "served", "stackable", "trade_off",
]  # fmt: skip


def run(params: dict[str, Any], context: Context) -> None:
    """Train one configuration; resumes where `context.checkpoint` is given.

    Reports every epoch; with the objective of unseen attacks every fold, and at last the training on all
    attacks, whose detector is what is exported. Every report holds the figures of `machine.FIGURES`.

    Where there are several processes (see `fsd_model.parallel`), all of them call this with the same params
    and checkpoint and train one model together. Each reports the same metrics; the first alone offers to
    save.

    Args:
        params: the fields of `TrainConfig` as nested plain values.
        context: reports go there.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
        DivergenceError: the loss became NaN or infinite.
    """
    config = TrainConfig.model_validate(params)
    train = _run_unseen if config.objective.name == "unseen-attacks" else _run
    with joined():
        train(config, context)


def run_stack(
    params_K: Sequence[dict[str, Any]], contexts_K: Sequence[StackContext], more: More | None = None
) -> None:
    """Train configurations that differ in scalars as one model; each is reported as `run` reports it.

    After every epoch each context gets its own metrics, one after the other. Whose report raises SystemExit
    leaves; whose report raises another Exception leaves, and `over` is given it, as it is of one that
    diverges, or that cannot be built: faulty settings, data or checkpoint, or settings that do not stack with
    the first whose settings and data were right. One that has reported all its epochs, or has none to go, is
    `over` with None. The others go on. A trial may go on from a checkpoint of `run`, and the other way round,
    whatever epoch the others are at.

    `more()` is asked before the first epoch and after all reports of each, until it has none; how many there
    may be at once is the caller's to say. Returns when no trial is left and `more` has none.

    Args:
        params_K: as for `run`, with one `stackable` key.
        contexts_K: of each trial.
        more: gives params and contexts of new trials with that key.

    Raises:
        Exception: whatever the joint computation raises, such as torch.OutOfMemoryError, and what `more` or
            `over` raise. It concerns all trials that are not over; their contexts are not told.
    """
    trials = StackedTrials(save_trial)
    for params, context in zip(params_K, contexts_K, strict=True):
        trials.take(params, context)
    trials.run(more)


def _run(config: TrainConfig, context: Context) -> None:
    trainer = Trainer(config)
    if context.checkpoint is not None:
        trainer.load(context.checkpoint, context.moved)
    for metrics in trainer.epochs():
        context.report(metrics, _of_the_first(partial(save_trial, trainer)))


def _run_unseen(config: TrainConfig, context: Context) -> None:
    data = open_training_data(config)
    groups = resolve_groups(config.objective.groups, shared_attacks(data))
    config = config.override({"objective.groups": groups})
    key = f"{config.fingerprint()} {data.digest}"
    folds = Folds(key=key) if context.checkpoint is None else Folds.load(context.checkpoint, key)
    for metrics in run_folds(config, data, folds):
        context.report(metrics, _of_the_first(folds.save))
    trainer = Trainer(config, data)
    for last in trainer.epochs():
        metrics = {**last, **folds.metrics()}

    def save(folder: Path) -> None:
        save_trial(trainer, folder)
        folds.save(folder)

    context.report(metrics, _of_the_first(save))


def _of_the_first(save: Callable[[Path], None]) -> Callable[[Path], None] | None:
    return save if processes_of_this_training().rank == 0 else None


def save_trial(trainer: Trainer, folder: Path) -> None:
    """Write the state of the training, the detector of its best epoch, what there is to look at, facts."""
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


def prepare(settings: dict[str, Any]) -> dict[str, Any]:
    """Check the data and compute the features once, before any trial.

    Returns:
        The settings with absolute paths and, for unseen attacks, with the groups to hold out.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
    """
    config = TrainConfig.model_validate(settings)
    store = (config.runtime.store or default_store()).expanduser().absolute()
    root = config.data.root.expanduser().absolute()
    resolved = config.override({"runtime.store": store, "data.root": root})
    with progress_bar(f"features ({config.feature.kind})") as progress:
        data = open_training_data(resolved, progress)
    if data.left_out:
        first = data.left_out[0]
        print(
            f"left out {len(data.left_out)} bad files, the first {first.name}: {first.reason}",
            file=sys.stderr,
        )
    runtime_settings = {**settings.get("runtime", {}), "store": str(store)}
    ready = {**settings, "data": {**settings["data"], "root": str(root)}, "runtime": runtime_settings}
    if config.objective.name == "unseen-attacks":
        groups = resolve_groups(config.objective.groups, shared_attacks(data))
        plain = {name: list(attacks) for name, attacks in groups.items()}
        ready["objective"] = {"name": "unseen-attacks", "groups": plain}
    if (noise := config.augment.noise.root) is not None:
        given = settings["augment"]
        place = {"root": str(noise.expanduser().absolute())}
        ready["augment"] = {**given, "noise": {**given["noise"], **place}}
    return ready


def describe(params: dict[str, Any]) -> dict[str, Any]:
    """How often `run` reports these params, and which metrics.

    Args:
        params: as for `run`, their settings prepared.

    Returns:
        `reports`, a count, and `metrics`, the names that a study may use.

    Raises:
        pydantic.ValidationError: faulty settings.
        InputError: unseen attacks without groups, as where the objective itself is searched.
    """
    config = TrainConfig.model_validate(params)
    train = ("loss", "hard", "soft", "feature", "learning_rate")
    dev = ("loss", "eer", "cllr", "eer_best", "cllr_best", "loss_best")
    figures = [*FIGURES, *exit_figures(config.blocks)]
    names = [*(f"train/{name}" for name in train), *(f"dev/{name}" for name in dev), TIME, *figures]
    names += [f"dev/eer_exit{block}" for block in range(1, config.blocks + 1)]
    names += map(best_eer_of, exit_names(config.blocks))
    if config.objective.name == "dev":
        return {"reports": config.epochs, "metrics": names}
    groups = config.objective.groups
    if groups is None:
        raise InputError("objective.name: cannot be searched; set it in `settings`, one study for each")
    by_exit = [mean_of(name) for name in exit_names(config.blocks)]
    unseen = [MEAN, WORST, FOLD, CLLR, LOSS, *map(eer_of, groups), *by_exit, *figures]
    return {"reports": len(groups) + 1, "metrics": unseen}


def cost(params: dict[str, Any]) -> float:
    """A cheap figure that orders configurations by the time of an epoch; builds no data (see `epoch_cost`).

    Raises:
        pydantic.ValidationError, InputError: faulty settings.
    """
    return epoch_cost(TrainConfig.model_validate(params))


def check(params: dict[str, Any], step: bool) -> None:
    """Build a configuration; with `step` also open its data and train one batch.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
    """
    config = TrainConfig.model_validate(params)
    if not step:
        backbone = build_network(config.network, config.feature)
        SplitNetwork(backbone, config.split, config.distill.needed_adapter)
        return
    trainer = Trainer(config)
    rows_B = next(shuffled_batches(len(trainer.data.train.labels_N), config.batch_size, config.seed, 0))
    terms = trainer.train_step(rows_B)
    if not torch.isfinite(terms.total):
        raise ArithmeticError(f"the loss of the first batch is {float(terms.total)}")
