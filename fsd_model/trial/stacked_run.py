"""Experimental: trains several trials that differ in scalars as one model, each with its own context."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fsd_model.errors import InputError
from fsd_model.experimental.stacked.loss import SCALARS
from fsd_model.experimental.stacked.trainer import Metrics, StackedTrainer, is_done, require_stackable
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData, open_training_data
from fsd_model.training.trainer import Trainer
from fsd_model.trial.context import More, StackContext

OPTIM_SCALARS = ("schedule", "learning_rate", "model_size", "warmup_steps", "weight_decay")

Write = Callable[[Trainer, Path], None]


def stackable(config: dict[str, Any]) -> str:
    """Return a key that is equal for configurations that can be trained in one stack: everything but scalars.

    The scalars are the weights of the losses and their ramp, temperature and lambda with their schedules, all
    in `optim`, the number of epochs, and the seed.

    Returns:
        A JSON text.

    Raises:
        pydantic.ValidationError: faulty settings.
        InputError: the configuration can only be trained alone; the text says why.
    """
    return _key(TrainConfig.model_validate(config))


def _key(train_config: TrainConfig) -> str:
    require_stackable(train_config)
    tree = train_config.model_dump(
        mode="json",
        exclude={"seed": True, "epochs": True, "distill": set(SCALARS), "optim": set(OPTIM_SCALARS)},
    )
    return json.dumps({**tree, "cuts": list(train_config.resolved_cuts)}, sort_keys=True)


class StackedTrials:
    """Trials of a stack with their contexts; see `trial.run_trial.run_stack`.

    Args:
        write: saves a trainer's state for a report.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._stack = StackedTrainer()
        self._contexts: dict[int, StackContext] = {}
        self._data: TrainingData | None = None
        self._key: str | None = None

    def run(self, more: More | None) -> None:
        """Train until no trial is left and none joins."""
        self._fill(more)
        for told in self._stack.epochs():
            for number, outcome in told.items():
                if isinstance(outcome, Exception):
                    self._contexts.pop(number).over(outcome)
                else:
                    self._report(number, outcome)
            self._fill(more)

    def take(self, config: dict[str, Any], context: StackContext) -> None:
        """Build a trial and let it join; an error goes to its own context only."""
        try:
            trainer = self._build(config, context)
            number = None if is_done(trainer) else self._stack.join(trainer)
        except Exception as error:  # noqa: BLE001 - what ends one trial leaves the others alone
            context.over(error)
            return
        if number is None:
            context.over(None)
        else:
            self._contexts[number] = context

    def _build(self, config: dict[str, Any], context: StackContext) -> Trainer:
        train_config = TrainConfig.model_validate(config)
        key = _key(train_config)
        if self._key not in (None, key):
            raise InputError(
                "config: trials of a stack may differ in scalars only; group them by their `stackable` key"
            )
        self._data = self._data or open_training_data(train_config)
        self._key = key
        trainer = Trainer(train_config, _of_seed(self._data, train_config.seed))
        if context.checkpoint is not None:
            trainer.load(context.checkpoint, context.cloned)
        return trainer

    def _fill(self, more: More | None) -> None:
        """Let trials join until there are no more."""
        while more is not None and (new := more()):
            for config, context in new:
                self.take(config, context)

    def _report(self, number: int, metrics: Metrics) -> None:
        trainer, context = self._stack.members[number], self._contexts[number]
        error = None
        try:
            context.report(metrics, partial(self._write, trainer))
        except SystemExit:
            self._drop(number)
            return
        except Exception as raised:  # noqa: BLE001 - what ends one trial leaves the others alone
            error = raised
        if error is not None or is_done(trainer):
            self._drop(number)
            context.over(error)

    def _drop(self, number: int) -> None:
        self._stack.leave(number)
        del self._contexts[number]


def _of_seed(data: TrainingData, seed: int) -> TrainingData:
    """Return the same data, augmented with another seed."""
    if data.augmentation is None:
        return data
    return replace(data, augmentation=replace(data.augmentation, seed=seed))
