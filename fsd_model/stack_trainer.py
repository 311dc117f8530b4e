"""Trains several configurations at once that differ in scalars, each as if it were alone.

Shapes: K members, N utterances, E exits, B utterances of a batch, F bins, T frames.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from fsd_model.epoch_metrics import train_metrics
from fsd_model.errors import InputError
from fsd_model.optim import learning_rate
from fsd_model.stack import require_built_in
from fsd_model.stack_epoch import StackedEpoch
from fsd_model.stack_loss import require_memoryless
from fsd_model.trainer import Trainer
from fsd_model.validation import judge

Metrics = dict[str, float]


class StackedTrainer:
    """Trains several trainers' networks as one; what the trainers keep, save and report is their own.

    Between two epochs every trainer is whole: it can be saved, leave the stack, and be trained on alone. An
    epoch stacks whoever is there, so one that left costs nothing any more. Members at different epochs, as
    after a resume, are stacked once those behind have caught up.

    Args:
        trainers: of one network, objective and data, that differ in the scalars of `stack_loss.SCALARS`, in
            `optim`'s and in the seed; none may be one of several processes.

    Attributes:
        members: the trainers by number, without those that left.
        failed: why members failed, by number; they have left.

    Raises:
        InputError: trainers that cannot be stacked.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        for trainer in trainers:
            require_built_in(trainer.network)
            require_memoryless(trainer.config.distill)
            if trainer.processes.size > 1 or trainer.config.runtime.micro_batch is not None:
                raise InputError("runtime: a stack trains in one process, without micro_batch; train alone")
        alike = {
            (each.data.digest, each.config.batch_size, each.config.epochs, each.config.runtime.precision)
            for each in trainers
        }
        if len(alike) > 1:
            raise InputError(
                "batch_size, epochs, runtime.precision, data: must be the same in a stack; train unlike apart"
            )
        self.members = dict(enumerate(trainers))
        self.failed: dict[int, Exception] = {}

    def epochs(self) -> Iterator[dict[int, Metrics]]:
        """Train epoch by epoch.

        Yields:
            What `Trainer.epochs` yields of each member that trained, by its number. `time/epoch_s` is the
            time of the stack. A member that diverged is not told of; see `failed`.
        """
        while members := self._behind():
            yield self._epoch(members)

    def leave(self, number: int) -> Trainer:
        """Take a member out; the others go on as they are. Returns its trainer, which can go on alone."""
        return self.members.pop(number)

    def _behind(self) -> dict[int, Trainer]:
        """The members furthest behind, of those that have epochs to go."""
        going = {n: each for n, each in self.members.items() if each.epoch < each.config.epochs}
        least = min(((each.epoch, each.step) for each in going.values()), default=None)
        return {n: each for n, each in going.items() if (each.epoch, each.step) == least}

    def _epoch(self, members: Mapping[int, Trainer]) -> dict[int, Metrics]:
        began = time.perf_counter()
        trainers = list(members.values())
        epoch = StackedEpoch(trainers)
        means_K4 = epoch.train()
        scores_KNE, losses_K = epoch.validate()
        epoch.give_back()
        told: dict[int, Metrics] = {}
        for (number, trainer), means_4, scores_NE, loss in zip(
            members.items(), means_K4.tolist(), scores_KNE, losses_K, strict=True
        ):
            trainer.deployed = trainer.deployed or trainers[0].deployed
            precision = trainer.config.runtime.precision
            try:
                rate = learning_rate(trainer.config.optim, trainer.step)
                train = train_metrics(means_4, trainer.epoch + 1, rate)
                result = judge(scores_NE, loss, trainer.data.dev, trainer.epoch + 1, precision)
                told[number] = trainer.complete_epoch(train, result, began)
            except (ArithmeticError, InputError) as error:
                self.failed[number] = error
                self.leave(number)
        return told
