"""Trains several configurations that differ in scalars as one model, with the results of separate trainings.

Shapes: K members, N utterances, E exits, B utterances of a batch, F bins, T frames.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence

from fsd_model.distillation.total_loss import DistillConfig
from fsd_model.distributed.processes import ALONE, Processes
from fsd_model.errors import InputError
from fsd_model.experimental.stacked.epoch import StackedEpoch
from fsd_model.experimental.stacked.loss import require_alike
from fsd_model.experimental.stacked.network import form
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.training.config import TrainConfig
from fsd_model.training.epoch_metrics import train_metrics
from fsd_model.training.optim import learning_rate
from fsd_model.training.trainer import Trainer
from fsd_model.training.validation import judge

Metrics = dict[str, float]


class StackedTrainer:
    """Trains several trainers' networks as one; each keeps, saves and reports its own state.

    Between two epochs every trainer is whole: it can be saved, leave the stack, and be trained on alone; and
    others can join. An epoch stacks the present members, each at its own epoch.

    Args:
        trainers: the first members, numbered from 0; each joins.

    Attributes:
        members: the trainers by number, without those that left.

    Raises:
        InputError: trainers that cannot be stacked.
    """

    def __init__(self, trainers: Sequence[Trainer] = ()) -> None:
        self.members: dict[int, Trainer] = {}
        self._joined = 0
        self._common: tuple[DistillConfig, dict[str, Hashable]] | None = None
        self._deployed: dict[str, float] = {}
        for trainer in trainers:
            self.join(trainer)

    def join(self, trainer: Trainer) -> int:
        """Take a trainer in, from the next epoch on.

        Args:
            trainer: with the network, loss and data of all members before, including those that left. It may
                differ in the scalars of `stacked.loss.SCALARS`, in `optim`, `epochs` and seed, and be at
                any epoch.

        Returns:
            Its number, counted from 0 in order of joining.

        Raises:
            InputError: it cannot be stacked, or not with these members.
        """
        require_stackable(trainer.config, trainer.processes)
        own = trainer.config.distill, _common(trainer)
        self._common = self._common or own
        require_alike(self._common[0], own[0])
        if unlike := [name for name, value in self._common[1].items() if value != own[1][name]]:
            raise InputError(f"{', '.join(unlike)}: must be the same in a stack; train unlike ones apart")
        self._joined += 1
        self.members[self._joined - 1] = trainer
        return self._joined - 1

    def epochs(self) -> Iterator[dict[int, Metrics | Exception]]:
        """Train epoch by epoch; members may leave or join in between. Ends when no one is left.

        A member that has made all its epochs leaves when the next epoch begins.

        Yields:
            The metrics of each member as from `Trainer.epochs`, by its number, or its exception; then it has
            left. `time/epoch_s` is the time of the stack.
        """
        while True:
            self.members = {number: each for number, each in self.members.items() if not is_done(each)}
            if not self.members:
                return
            yield self._epoch()

    def leave(self, number: int) -> Trainer:
        """Remove a member without effect on the others; return its trainer, which can continue alone."""
        return self.members.pop(number)

    def _epoch(self) -> dict[int, Metrics | Exception]:
        began = time.perf_counter()
        members = dict(self.members)
        epoch = StackedEpoch(list(members.values()))
        means_K4 = epoch.train()
        scores_KNE, losses_K = epoch.validate()
        epoch.give_back()
        told: dict[int, Metrics | Exception] = {}
        for (number, trainer), means_4, scores_NE, loss in zip(
            members.items(), means_K4.tolist(), scores_KNE, losses_K, strict=True
        ):
            trainer.deployed = trainer.deployed or self._deployed
            precision = trainer.config.runtime.precision
            try:
                rate = learning_rate(trainer.config.optim, trainer.step)
                train = train_metrics(means_4, trainer.epoch + 1, rate)
                result = judge(scores_NE, loss, trainer.data.dev, trainer.epoch + 1, precision)
                told[number] = trainer.complete_epoch(train, result, began)
            except (ArithmeticError, InputError) as error:
                told[number] = error
                self.leave(number)
            self._deployed = trainer.deployed
        return told


def require_stackable(config: TrainConfig, processes: Processes = ALONE) -> None:
    """Raise if a training cannot be part of a stack: the one rule about it.

    Raises:
        InputError: names the setting.
    """
    obstacles = {
        "network: a custom one": not isinstance(config.network, NetworkConfig),
        "distill.teacher: ema": config.distill.teacher == "ema",
        f"objective.name: {config.objective.name}": config.objective.name != "dev",
        "runtime.micro_batch": config.runtime.micro_batch is not None,
        "runtime.cuda_graph": config.runtime.cuda_graph,
        f"a training of {processes.size} processes": processes.size > 1,
    }
    if found := [setting for setting, there in obstacles.items() if there]:
        raise InputError(f"{found[0]} cannot be stacked; such trials are trained alone")


def is_done(trainer: Trainer) -> bool:
    """Return whether a trainer has made all its epochs."""
    return trainer.epoch >= trainer.config.epochs


def _common(trainer: Trainer) -> dict[str, Hashable]:
    """Return the settings, besides `distill`, that all members of a stack share."""
    config = trainer.config
    return {
        "network, cuts": form(trainer.network),
        "batch_size": config.batch_size,
        "feature": config.feature,
        "augment.two_view": config.augment.two_view,
        "runtime.precision": config.runtime.precision,
        "runtime.device": trainer.device,
        "data": trainer.data.digest,
    }
