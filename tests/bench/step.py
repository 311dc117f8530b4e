"""One update of the default self-distillation on one core: ECANet-18, four exits, 32 utterances of 45 x 600.

Both sides have their batch in memory. The trainer's side picks it from float16 features, as in a training;
the other is handed float32 tensors.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fsd_model.distillation.total_loss import DistillConfig
from fsd_model.features.feature_set import FeatureSet
from fsd_model.networks.attention_resnet import build_backbone
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.training.data import TrainingData
from fsd_model.training.trainer import Trainer
from tests.bench.launches import launches
from tests.bench.per_exit import exit_by_exit, plain_loss
from tests.bench.side_by_side import Row, in_turns
from tests.fsd_model.support.synthetic import config, feature_set

BATCH, UPDATES, REPEATS = 32, 8, 9
CUTS = (2, 4, 6)
PRECISIONS = ("bfloat16", "float32")
Step = Callable[[], torch.Tensor]


def data() -> TrainingData:
    """Random features of `UPDATES` batches; labels as in the tests."""
    few = feature_set(BATCH * UPDATES, 1)
    shape = (len(few.labels_N), 45, 600)
    features_NFT = np.random.default_rng(2).normal(-5, 2, shape).astype(np.float16)
    full = FeatureSet(features_NFT, few.labels_N, few.utterances)
    return TrainingData(full, full.select(np.arange(BATCH)), digest="random")


def trainer(
    given: TrainingData, precision: str, cuts: tuple[int, ...] = CUTS, device: str = "cpu"
) -> Trainer:
    """The trainer at its defaults, one epoch of `given`."""
    changes = {"network.depth": 18, "cuts": cuts, "batch_size": BATCH, "epochs": 1}
    runtime = {"runtime.precision": precision, "runtime.device": device}
    return Trainer(config(**changes, **runtime), given)


def step_of(one: Trainer, batch: int = BATCH) -> Step:
    """An update on the first utterances."""
    one.network.train()
    return lambda: one.train_step(np.arange(batch)).total


def eager_network(device: str = "cpu") -> tuple[MultiExitNetwork, torch.optim.Optimizer]:
    """As `trainer` has it at first, in torch's own memory format, with Adam as torch sets it."""
    torch.manual_seed(3)
    network = MultiExitNetwork(build_backbone("ecanet", 18), CUTS).to(device)
    settings: dict[str, Any] = {"betas": (0.9, 0.98), "eps": 1e-9, "weight_decay": 1e-4, "amsgrad": True}
    return network, torch.optim.Adam(network.parameters(), lr=2e-3, **settings)


def eager_step(given: TrainingData, batch: int = BATCH, device: str = "cpu") -> Step:
    """The update written down plainly: float32, exit by exit, tensors copied to the device each time."""
    network, optimiser = eager_network(device)
    features_BFT, labels_B = given.train.batch(np.arange(batch), torch.device("cpu"))

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        outputs = exit_by_exit(network, features_BFT.to(device))
        loss = plain_loss(DistillConfig(), outputs, labels_B.to(device), 1)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def lightning_epoch(given: TrainingData) -> Callable[[], None]:
    """An epoch of the same network in Lightning, float32, from tensors in memory."""
    import lightning
    from torch.utils.data import DataLoader, TensorDataset

    network, optimiser = eager_network()

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            features_BFT, labels_B = batch
            return plain_loss(DistillConfig(), exit_by_exit(self.network, features_BFT), labels_B, 1)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimiser

    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    rows = np.arange(BATCH * UPDATES)
    tensors = TensorDataset(*given.train.batch(rows, torch.device("cpu")))

    def epoch() -> None:
        runner = lightning.Trainer(
            accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        runner.fit(Module(), DataLoader(tensors, BATCH, shuffle=True))

    return epoch


def rows() -> list[Row]:
    given = data()
    trainers = {name: trainer(given, name) for name in PRECISIONS}
    steps = {name: step_of(one) for name, one in trainers.items()}
    steps |= {f"plain {name}": step_of(trainer(given, name, ())) for name in PRECISIONS}
    steps["eager"] = eager_step(given)
    first = {name: float(step()) for name, step in steps.items()}
    seconds = in_turns(steps, REPEATS)
    each = {name: 1000 * value / BATCH for name, value in seconds.items()}
    counts = {name: float(launches(step)) for name, step in steps.items()}
    return [
        *(_against_eager(name, each, first) for name in PRECISIONS),
        *(_against_plain(name, each) for name in PRECISIONS),
        _operations(counts),
        _against_lightning(given, trainers["float32"]),
    ]


def _against_eager(precision: str, each: dict[str, float], first: dict[str, float]) -> Row:
    return Row(
        f"step, {precision} against eager float32", each[precision], each["eager"], "ms per utterance",
        each["eager"] / each[precision], 1.6 if precision == "bfloat16" else None,
        f"{abs(first[precision] / first['eager'] - 1):.1e} of the loss", note="one core, process time",
    )  # fmt: skip


def _against_plain(precision: str, each: dict[str, float]) -> Row:
    plain = each[f"plain {precision}"]
    return Row(
        f"self-distillation against the plain network, {precision}", each[precision], plain,
        "ms per utterance", each[precision] / plain, 1.05, "another loss", at_most=True,
    )  # fmt: skip


def _operations(counts: dict[str, float]) -> Row:
    return Row(
        "operations a step starts, against the plain network", counts["float32"], counts["plain float32"],
        "operations", counts["float32"] / counts["plain float32"], 1.25, "another loss", at_most=True,
        note=f"forward and backward, float32; in bfloat16 {counts['bfloat16']:.0f} against"
        f" {counts['plain bfloat16']:.0f}; eager and exit by exit {counts['eager']:.0f}",
    )  # fmt: skip


def _against_lightning(given: TrainingData, one: Trainer) -> Row:
    sides = {"ours": one._train_epoch, "lightning": lightning_epoch(given)}
    seconds = in_turns(sides, 3)
    each = {name: 1000 * value / BATCH / UPDATES for name, value in seconds.items()}
    return Row(
        "epoch, trainer against Lightning, both float32", each["ours"], each["lightning"], "ms per utterance",
        each["lightning"] / each["ours"], None, "not compared: another order of utterances",
        note=f"{UPDATES} updates; Lightning's epoch is the eager step in its loop, with its start",
    )  # fmt: skip
