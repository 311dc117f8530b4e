"""Several trials that differ in scalars, trained as one model behind the contract of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsd_model.config import TrainConfig
from fsd_model.errors import InputError
from fsd_model.networks import NetworkFactory
from fsd_model.stack_loss import SCALARS, require_memoryless
from fsd_model.stack_trainer import StackedTrainer
from fsd_model.trainer import Trainer
from fsd_model.training_data import TrainingData, open_training_data

if TYPE_CHECKING:
    from fsd_model.trial import Context

OPTIM_SCALARS = ("schedule", "learning_rate", "model_size", "warmup_steps", "weight_decay")

Write = Callable[[Trainer, Path], None]


def stackable(params: dict[str, Any]) -> str:
    """What two configurations must have in common to be trained in one stack: all but the scalars.

    The scalars are the weights of the losses and their ramp, temperature and lambda with their schedules, all
    in `optim`, the number of epochs, and the seed.

    Returns:
        JSON; equal for those that `run_stack` takes together.

    Raises:
        pydantic.ValidationError: faulty settings.
        InputError: a configuration that can only be trained alone.
    """
    return _key(TrainConfig.model_validate(params))


def _key(config: TrainConfig) -> str:
    require_memoryless(config.distill)
    if isinstance(config.network, NetworkFactory):
        raise InputError("network: only built-in networks can be stacked, got a factory; train it alone")
    if config.objective.name != "dev":
        raise InputError(
            f"objective.name: {config.objective.name} cannot be stacked; take dev, or train alone"
        )
    if config.runtime.micro_batch is not None:
        raise InputError("runtime.micro_batch: cannot be stacked; leave it out, or train alone")
    tree = config.model_dump(
        mode="json",
        exclude={"seed": True, "epochs": True, "distill": set(SCALARS), "optim": set(OPTIM_SCALARS)},
    )
    return json.dumps({**tree, "cuts": list(config.split)}, sort_keys=True)


def train_stacked(
    params_K: Sequence[dict[str, Any]], contexts_K: Sequence[Context], write: Write
) -> list[Exception | None]:
    """As `trial.run_stack`; `write` saves a trainer's state for a report."""
    configs = [TrainConfig.model_validate(params) for params in params_K]
    if len({_key(config) for config in configs}) > 1:
        raise InputError(
            "params: of a stack may differ in scalars alone; group them by their `stackable` key"
        )
    data = open_training_data(configs[0])
    trainers = [Trainer(config, _of_seed(data, config.seed)) for config in configs]
    for trainer, context in zip(trainers, contexts_K, strict=True):
        if context.checkpoint is not None:
            trainer.load(context.checkpoint, context.moved)
    stack = StackedTrainer(trainers)
    failed: dict[int, Exception] = {}
    for told in stack.epochs():
        for number, metrics in told.items():
            if isinstance(metrics, Exception):
                failed[number] = metrics
                continue
            try:
                contexts_K[number].report(metrics, partial(write, stack.members[number]))
            except SystemExit:
                stack.leave(number)
            except Exception as error:  # noqa: BLE001 - what ends one trial leaves the others alone
                failed[number] = error
                stack.leave(number)
    return [failed.get(number) for number in range(len(configs))]


def _of_seed(data: TrainingData, seed: int) -> TrainingData:
    """The same data, augmented as by a run of its own."""
    if data.augmentation is None:
        return data
    return replace(data, augmentation=replace(data.augmentation, seed=seed))
