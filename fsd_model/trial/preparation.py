"""Hooks that a search calls before the first trial: prepare data, describe metrics, estimate cost, check."""

from __future__ import annotations

import sys
from typing import Any

import torch

from fsd_model.errors import InputError
from fsd_model.features.store import default_store
from fsd_model.networks.build import build_network
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.progress import progress_bar
from fsd_model.training.config import TrainConfig
from fsd_model.training.cost import epoch_cost
from fsd_model.training.data import open_training_data, shuffled_batches
from fsd_model.training.exit_metrics import best_eer_of, exit_metric_names, exit_names
from fsd_model.training.objective import resolve_groups
from fsd_model.training.resource_metrics import RESOURCE_METRICS, TIME
from fsd_model.trial.attack_folds import shared_attacks
from fsd_model.trial.building import build_trainer
from fsd_model.trial.leave_attack_out import CLLR, FOLD, LOSS, MEAN, WORST, eer_of, mean_of


def prepare(settings: dict[str, Any]) -> dict[str, Any]:
    """Check the data and compute the features once, before any trial.

    Returns:
        The settings with absolute paths and, for unseen attacks, with the groups to hold out.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
    """
    # Paths become absolute here, in the driver: a trial may run in another folder, or on another machine, and
    # a resumed search must name the same files.
    train_config = TrainConfig.model_validate(settings)
    store = (train_config.runtime.store or default_store()).expanduser().absolute()
    root = train_config.data.root.expanduser().absolute()
    resolved = train_config.override({"runtime.store": store, "data.root": root})
    with progress_bar(f"features ({train_config.feature.kind})") as progress:
        data = open_training_data(resolved, progress)
    if data.left_out:
        first = data.left_out[0]
        print(
            f"left out {len(data.left_out)} bad files, the first {first.name}: {first.reason}",
            file=sys.stderr,
        )
    # only what was resolved is changed, so that the study stays as short as its author wrote it
    runtime_settings = {**settings.get("runtime", {}), "store": str(store)}
    ready = {**settings, "data": {**settings["data"], "root": str(root)}, "runtime": runtime_settings}
    if train_config.objective.name == "unseen-attacks":
        groups = resolve_groups(train_config.objective.groups, shared_attacks(data))
        plain = {name: list(attacks) for name, attacks in groups.items()}
        ready["objective"] = {"name": "unseen-attacks", "groups": plain}
    if (noise := train_config.augment.noise.root) is not None:
        given = settings["augment"]
        place = {"root": str(noise.expanduser().absolute())}
        ready["augment"] = {**given, "noise": {**given["noise"], **place}}
    return ready


def describe(config: dict[str, Any]) -> dict[str, Any]:
    """Return how often `run` reports and which metrics.

    Args:
        config: as for `run`, with prepared settings.

    Returns:
        `reports`, a count, and `metrics`, the names that a study may use.

    Raises:
        pydantic.ValidationError: faulty settings.
        InputError: unseen attacks without groups, as where the objective itself is searched.
    """
    train_config = TrainConfig.model_validate(config)
    train = ("loss", "hard", "soft", "feature", "learning_rate")
    dev = ("loss", "eer", "cllr", "eer_best", "cllr_best", "loss_best")
    figures = [*RESOURCE_METRICS, *exit_metric_names(train_config.blocks)]
    names = [*(f"train/{name}" for name in train), *(f"dev/{name}" for name in dev), TIME, *figures]
    names += [f"dev/eer_exit{block}" for block in range(1, train_config.blocks + 1)]
    names += map(best_eer_of, exit_names(train_config.blocks))
    if train_config.objective.name == "dev":
        return {"reports": train_config.epochs, "metrics": names}
    groups = train_config.objective.groups
    if groups is None:
        raise InputError("objective.name: cannot be searched; set it in `settings`, one study for each")
    by_exit = [mean_of(name) for name in exit_names(train_config.blocks)]
    unseen = [MEAN, WORST, FOLD, CLLR, LOSS, *map(eer_of, groups), *by_exit, *figures]
    return {"reports": len(groups) + 1, "metrics": unseen}


def cost(config: dict[str, Any]) -> float:
    """Return an estimate that orders configurations by the time of an epoch; reads no data (see
    `epoch_cost`).

    Raises:
        pydantic.ValidationError, InputError: faulty settings.
    """
    return epoch_cost(TrainConfig.model_validate(config))


def check(config: dict[str, Any], step: bool) -> None:
    """Build a configuration; with `step` also open its data and train one batch.

    Raises:
        pydantic.ValidationError, InputError: faulty settings or data.
    """
    train_config = TrainConfig.model_validate(config)
    if not step:
        backbone = build_network(train_config.network, train_config.feature)
        cuts, adapter = train_config.resolved_cuts, train_config.distill.needed_adapter
        MultiExitNetwork(backbone, cuts, adapter)
        return
    trainer = build_trainer(train_config)
    rows_B = next(
        shuffled_batches(len(trainer.data.train.labels_N), train_config.batch_size, train_config.seed, 0)
    )
    terms = trainer.train_step(rows_B)
    if not torch.isfinite(terms.total):
        raise ArithmeticError(f"the loss of the first batch is {float(terms.total)}")
