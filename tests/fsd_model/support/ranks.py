"""What two processes do together over gloo, for `test_parallel`: each leaves what it saw in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed as dist
from torch import multiprocessing, nn

from fsd_model import trial
from fsd_model.distributed.processes import ALONE, Processes, processes_of_this_training
from fsd_model.distributed.sync_batch_norm import synchronise_norms
from fsd_model.features.feature_set import Batch
from fsd_model.training.data import TrainingData
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, training_data

SIZE = 2
# rounding grows with every update, the faster the larger the steps
_GENTLE = {"optim.learning_rate": 1e-4, "epochs": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {**_GENTLE, "batch_size": 15},
    "everything": {
        **_GENTLE, "batch_size": 15, "distill.teacher": "ema", "distill.ema_decay": 0.9,
        "distill.soft": "js", "distill.feature": "attention_transfer",
        "distill.hard_on": "all", "augment.two_view": True,
    },
    "one by one": {**_GENTLE, "batch_size": 5, "runtime.micro_batch": 1, "epochs": 1},
}  # fmt: skip
WRONG = {"margin_kl": {"distill.soft": "margin_kl"}, "another seed": {"seed": 3}}


@dataclass
class Rank:
    """A context of a trial: keeps the metrics, and saves if it gets a function for it."""

    folder: Path
    checkpoint: Path | None = None
    cloned: bool = False
    metrics: list[dict[str, float]] = field(default_factory=list)
    saved: list[bool] = field(default_factory=list)

    def report(self, metrics: Any, save: Any = None) -> None:
        self.metrics.append(dict(metrics))
        self.saved.append(save is not None)
        if save is not None:
            place = self.folder / str(len(self.metrics))
            place.mkdir(parents=True)
            save(place)


class NoisyData(TrainingData):
    """Two views, the noise of each utterance its own; masks would leave ties, which rounding may break."""

    def train_batch(self, rows_B: Any, epoch: int, device: torch.device) -> Batch:
        clean = super().train_batch(rows_B, epoch, device)
        noise_BFT = [np.random.default_rng([epoch, row]).normal(size=(45, 48)) for row in rows_B]
        noisy_BFT = clean.features_BFT + torch.from_numpy(np.stack(noise_BFT)).float()
        return Batch(noisy_BFT, clean.labels_B, clean.features_BFT)


def trainer_of(name: str, **changes: Any) -> Trainer:
    settings = config(**{**SETTINGS[name], **changes})
    whole = training_data(1.0)
    count = 46 if settings.runtime.micro_batch is None else 10
    kind = TrainingData if settings.augment.is_off else NoisyData
    return Trainer(settings, kind(whole.train.select(np.arange(count)), whole.dev, whole.digest))


def stepped(name: str) -> dict[str, torch.Tensor]:
    """The gradients of the first update."""
    trainer = trainer_of(name)
    trainer.train_step(np.arange(5))
    return {n: p.grad.clone() for n, p in trainer.network.named_parameters() if p.grad is not None}


def trained(trainer: Trainer, epochs: int | None = None) -> dict[str, Any]:
    metrics = list(islice(trainer.epochs(), epochs))
    state = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    return {"metrics": metrics, "weights": state, "best": trainer.best_weights}


NORM_PIECES = {"unequal": ((0, 1, 2, 3, 4), (5, 6, 7)), "idle": ((0, 1, 2, 3), ())}


def normed(rows: tuple[int, ...], processes: Processes | None = None) -> dict[str, torch.Tensor]:
    """Two batch norms in a row on some of eight maps, torch's own where there are no processes."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3, momentum=None)).double()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    map_BCFT = torch.randn(8, 3, 4, 5, dtype=torch.float64) * 3 + 50
    weight_BCFT = torch.randn_like(map_BCFT)
    own = list(rows or (0,))
    if processes is not None:
        processes.idle = not rows
        synchronise_norms(network, processes)
    given = map_BCFT[own].requires_grad_()
    out = network(given)
    ((out * weight_BCFT[own]).sum() * bool(rows)).backward()
    gradients = {f"grad {n}": p.grad for n, p in network.named_parameters() if p.grad is not None}
    assert given.grad is not None
    return {"out": out.detach(), "grad": given.grad, **gradients, **network.state_dict()}


def refused(changes: dict[str, Any], rank: int) -> str:
    try:
        seed = {"seed": 3 + rank} if "seed" in changes else {}
        next(Trainer(config(**{**changes, **seed}), training_data()).epochs())
    except ValueError as error:
        return str(error)
    return ""


def together(rank: int, folder: Path, settings: dict[str, Any]) -> None:
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=SIZE)
    assert processes_of_this_training().rank == rank
    seen: dict[str, Any] = {name: trained(trainer_of(name)) for name in SETTINGS}
    seen["gradients"] = {name: stepped(name) for name in SETTINGS}
    seen["norms"] = {
        name: normed(pieces[rank], Processes(rank, SIZE)) for name, pieces in NORM_PIECES.items()
    }
    seen["refused"] = {name: refused(changes, rank) for name, changes in WRONG.items()}
    first = trainer_of("everything")
    trained(first, 1)
    if rank == 0:
        first.save(folder / "state")
    dist.barrier()
    resumed = trainer_of("everything")
    resumed.load(folder / "state")
    seen["resumed"] = trained(resumed)
    whole = Rank(folder / f"trial{rank}")
    trial.run(settings, whole)
    dist.barrier()
    again = Rank(folder / f"again{rank}", checkpoint=folder / "trial0" / "1")
    trial.run(settings, again)
    seen["trial"] = {"metrics": whole.metrics, "saved": whole.saved, "again": again.metrics}
    torch.save(seen, folder / f"rank{rank}.pt")
    dist.destroy_process_group()
    assert processes_of_this_training() is ALONE


def run_together(folder: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    multiprocessing.spawn(together, (folder, settings), nprocs=SIZE)
    return [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(SIZE)]
