"""The self-distillation trainer: a generator of epochs, independent of its caller."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fsd_model.distillation.distiller import Distiller
from fsd_model.distillation.total_loss import LossTerms, Scalars
from fsd_model.distributed.processes import parts, processes_of_this_training
from fsd_model.distributed.sync_batch_norm import synchronise_norms
from fsd_model.errors import InputError
from fsd_model.features.device_cache import keep_resident
from fsd_model.networks.attention_resnet import Backbone
from fsd_model.networks.build import build_network
from fsd_model.networks.multi_exit import MultiExitNetwork, deploy
from fsd_model.training.checkpoint import read_state, write_state
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData, open_training_data, shuffled_batches, updates_per_epoch
from fsd_model.training.epoch_metrics import DivergenceError as DivergenceError
from fsd_model.training.epoch_metrics import dev_metrics, train_metrics
from fsd_model.training.exit_metrics import deployed_metrics
from fsd_model.training.optim import (
    UpdateRunner,
    build_optimiser,
    fill_gradients,
    learning_rate,
    set_learning_rate,
)
from fsd_model.training.resource_metrics import MEMORY, TIME, peak_bytes
from fsd_model.training.runtime import prepare_process
from fsd_model.training.validation import DevResult, validate

State = dict[str, Any]


class Trainer:
    """Trains one configuration; `epochs()` may be left and entered again at any epoch.

    Where `torch.distributed` is initialised, all its processes train one network together
    (`distributed.processes`): each has a trainer, makes the same updates and yields the same metrics; one
    saves.

    Args:
        config: the training.
        data: train and dev features; None opens the corpus of the config.

    Attributes:
        network: all segments and exits.
        epoch: epochs done.
        best: the dev result of the best epoch so far (lowest EER of the deepest exit, then Cllr, then loss),
            None before the first.
        best_weights: weights of the deployed network at that epoch, on the CPU.
        best_classifiers: weights of the other exits' classifiers at that epoch, shallowest first.
        runner: computes each update in place of `Trainer`'s own code; None by default.
        deployed: size and latency of the network that would be deployed, measured after the first epoch.

    Raises:
        InputError: faulty data or settings.
    """

    def __init__(self, config: TrainConfig, data: TrainingData | None = None) -> None:
        # Order matters: data first (may draw numbers), then the seed, then the weights; the optimiser needs
        # the parameters in their final place and format.
        self.config = config
        self.data = data or open_training_data(config)
        self.processes = processes_of_this_training()
        self.device = prepare_process(config.runtime, config.seed)
        keep_resident((self.data.train, self.data.dev), self.device, config.runtime.resident)
        backbone = build_network(config.network, config.feature)
        network = MultiExitNetwork(backbone, config.resolved_cuts, config.distill.needed_adapter).to(
            self.device
        )
        if isinstance(backbone, Backbone):
            # a third faster on CPUs; a custom network may rely on its memory order
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.processes.size > 1:
            synchronise_norms(network, self.processes)
            self.processes.take_from_first(network.state_dict().values())
        self.network = network
        self.optimiser = build_optimiser(config.optim, self.network.parameters())
        updates = config.epochs * updates_per_epoch(len(self.data.train.labels_N), config.batch_size)
        half = config.runtime.precision == "bfloat16"
        self.distiller = Distiller(config.distill, self.network, updates, half, self.processes)
        self.runner: UpdateRunner | None = None
        self.epoch = 0
        self.step = 0
        self.best: DevResult | None = None
        self.best_weights: dict[str, torch.Tensor] = {}
        self.best_classifiers: list[torch.Tensor] = []
        self.deployed: dict[str, float] = {}

    def epochs(self) -> Iterator[dict[str, float]]:
        """Train epoch by epoch and yield the metrics of each.

        Yields:
            `train/loss`, its terms `train/hard`, `train/soft`, `train/feature`, `train/learning_rate`;
            `dev/loss`, `dev/eer`, `dev/cllr` (deepest exit) and their values at the best epoch so far,
            `dev/eer_best`, `dev/cllr_best`, `dev/loss_best`; `dev/eer_exit1`.. (one for each block of the
            network, see `DevResult.padded_exits`); `dev/eer_attack_A01`.. (one for each attack on dev). Rates
            are fractions. Of the network that would be deployed, for one utterance: `deployed/parameters`,
            `deployed/multiply_adds`, and `deployed/latency_ms`, measured on the run's device after the first
            epoch of each attempt; the same of each exit and of their mean, with their EER at the best epoch
            (`exit_metric_names`). Of the machine: `time/epoch_s` and `memory/peak_bytes`. Measured metrics
            differ in every run (`training.resource_metrics.is_measured`).

        Raises:
            DivergenceError: the loss is no longer a finite number.
            InputError: processes with different configurations or data.
        """
        self.processes.require_same(self._identity(), self.device)
        self.deployed = {}
        while self.epoch < self.config.epochs:
            began = time.perf_counter()
            train = self._train_epoch()
            precision, epoch = self.config.runtime.precision, self.epoch + 1
            result = validate(self.network, self.data.dev, epoch, self.device, precision, self.processes)
            yield self.complete_epoch(train, result, began)

    def complete_epoch(self, train: dict[str, float], result: DevResult, began: float) -> dict[str, float]:
        """Finish an epoch whose updates are done; returns its metrics, see `epochs`.

        Args:
            train: see `training.epoch_metrics.train_metrics`.
            result: result on dev of the network, now in eval mode.
            began: start of the epoch, by `time.perf_counter`.
        """
        self.epoch += 1
        self._keep_best(result)
        seconds = time.perf_counter() - began
        if not self.deployed:
            self.deployed = deployed_metrics(self.network, self.config, self.data.dev, self.device)
        machine = {**self.deployed, TIME: seconds, MEMORY: peak_bytes(self.device)}
        dev = dev_metrics(result, self.best or result, self.data.dev, self.config.blocks)
        return {**train, **dev, **self.processes.largest(machine, self.device)}

    def train_step(self, rows_B: Any) -> LossTerms:
        """Make one update with the training rows `rows_B`.

        Returns:
            The loss terms before the update, detached: the contribution of this process to their means.
        """
        self.step += 1
        rate, scalars = learning_rate(self.config.optim, self.step), self.distiller.scalars(self.step)
        eager_update = partial(self.update, rows_B, scalars, rate)
        if self.runner is None:
            return LossTerms(*eager_update().unbind())
        return LossTerms(*self.runner.step(rows_B, self.epoch, scalars, rate, eager_update).unbind())

    def update(self, rows_B: Any, scalars: Scalars, rate: float) -> torch.Tensor:
        """Compute one update by plain PyTorch, in micro-batches as configured; returns the four
        losses, (4,).
        """
        set_learning_rate(self.optimiser, rate)
        self.optimiser.zero_grad(set_to_none=True)
        sums = torch.zeros(4, device=self.device)
        for own_B, share in parts(rows_B, self.config.runtime.micro_batch, self.processes):
            self.processes.idle = share == 0
            batch = self.data.train_batch(own_B, self.epoch, self.device)
            terms = self.distiller.loss(batch, scalars)
            (terms.total * share).backward()  # type: ignore[no-untyped-call]
            sums += torch.stack([terms.total, terms.hard, terms.soft, terms.feature]).detach() * share
        fill_gradients(self.optimiser)
        self.processes.add_gradients(self.network.parameters())
        self.optimiser.step()
        self.distiller.after_update()
        return sums

    def _train_epoch(self) -> dict[str, float]:
        self.network.train()
        self.processes.seed(self.config.seed, self.epoch)
        sums = torch.zeros(4, device=self.device)
        count = 0
        size = len(self.data.train.labels_N)
        for rows_B in shuffled_batches(size, self.config.batch_size, self.config.seed, self.epoch):
            terms = self.train_step(rows_B)
            sums += torch.stack([terms.total, terms.hard, terms.soft, terms.feature]) * len(rows_B)
            count += len(rows_B)
        means = (self.processes.total(sums) / count).tolist()
        return train_metrics(means, self.epoch + 1, learning_rate(self.config.optim, self.step))

    def _identity(self) -> str:
        return (
            f"{self.config.fingerprint()} {self.data.digest} {self.epoch} {self.config.runtime.micro_batch}"
        )

    def _keep_best(self, result: DevResult) -> None:
        if self.best is None or result.rank < self.best.rank:
            self.best = result.with_ensemble(self.data.dev.labels_N)
            state = deploy(self.network).state_dict()
            self.best_weights = {name: value.detach().cpu().clone() for name, value in state.items()}
            shallow = self.network.classifiers[:-1]
            self.best_classifiers = [each.weight.detach().cpu().clone() for each in shallow]

    def save(self, folder: Path) -> None:
        """Write all that a resumed run needs to equal the uninterrupted one, bit for bit on the CPU."""
        state: State = {
            "fingerprint": self.config.fingerprint(),
            "data": self.data.digest,
            "epoch": self.epoch,
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rng": torch.get_rng_state(),
            "best": None if self.best is None else self.best.as_dict(),
            "best_weights": self.best_weights,
            "best_classifiers": self.best_classifiers,
            **({"distiller": kept} if (kept := self.distiller.state_dict()) else {}),
        }
        write_state(folder, state)

    def load(self, folder: Path, cloned: bool = False) -> None:
        """Resume from a saved folder, whatever the runtime settings and number of processes it was saved
        with.

        Args:
            folder: a folder that `save` wrote.
            cloned: whether it may be of another configuration of the same network; weights and optimiser
                state are taken over under this configuration's settings (population based training).

        Raises:
            InputError: no such folder, a damaged file, or the state of another configuration or other data.
        """
        state = read_state(folder)
        for key, own in (("fingerprint", self.config.fingerprint()), ("data", self.data.digest)):
            if state.get(key) != own and not (cloned and key == "fingerprint"):
                what = "configuration" if key == "fingerprint" else "data set"
                raise InputError(f"{folder}: was saved with another {what}; start again in another folder")
        try:
            self._take_over(state)
        except (RuntimeError, KeyError, ValueError) as error:  # torch: other names, shapes or groups
            way_out = "search neither cuts nor network, teacher or adapter there"
            raise InputError(f"{folder}: belongs to a network of another form; {way_out}") from error

    def _take_over(self, state: State) -> None:
        own = [{key: group[key] for key in group if key != "params"} for group in self.optimiser.param_groups]
        self.epoch, self.step = state["epoch"], state["step"]
        self.network.load_state_dict(state["network"])
        saved = state["optimiser"]
        groups = [group | settings for group, settings in zip(saved["param_groups"], own, strict=True)]
        self.optimiser.load_state_dict({**saved, "param_groups": groups})
        self.distiller.load_state_dict(state.get("distiller", {}))
        torch.set_rng_state(state["rng"])
        self.best = None if state["best"] is None else DevResult.from_dict(state["best"])
        self.best_weights, self.best_classifiers = state["best_weights"], state["best_classifiers"]
