"""K trials trained as one model against K trainers in turn, one thread, and other ways to compute K networks.

The 18-layer network on 45 x 600 features, by processor time; the members differ in seed, temperature and
learning rate. Where there is a GPU the same on it by wall clock, and K trainers on a CUDA stream each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields
from functools import partial
from itertools import cycle

import numpy as np
import torch
from torch.func import functional_call, stack_module_state

from fsd_model.data.utterance import Utterance
from fsd_model.distillation.total_loss import distill_loss, scalars_at
from fsd_model.experimental.stacked.epoch import Rows, StackedEpoch
from fsd_model.experimental.stacked.loss import stacked_loss
from fsd_model.experimental.stacked.loss import together as scalars_together
from fsd_model.experimental.stacked.network import StackedNetwork
from fsd_model.features.feature_set import FeatureSet
from fsd_model.networks.exits import ExitOutput
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData, shuffled_batches
from fsd_model.training.trainer import Trainer
from tests.bench.side_by_side import Row, in_turns

REPEATS = 5
BATCH = {"cpu": 16, "cuda": 64}
Step = Callable[[], np.ndarray]


def rows() -> list[Row]:
    """On the CPU, and where there is one on the GPU."""
    torch.set_num_threads(1)
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    found = [
        row
        for device in devices
        for count in (4, 8)
        for precision in ("float32", "bfloat16")
        for row in _training(device, count, precision)
    ]
    return found + _ways(4)


def _data() -> TrainingData:
    rng = np.random.default_rng(1)
    labels_N = (np.arange(512) % 3 == 0).astype(np.int64)
    features_NFT = rng.normal(-5, 2, (512, 45, 600)).astype(np.float16)
    features_NFT[labels_N == 1, 10:16] += 3
    names = tuple(Utterance(f"U{n}", "S1", "-", int(label), None, "-") for n, label in enumerate(labels_N))
    train = FeatureSet(features_NFT, labels_N, names)
    return TrainingData(train, train.select(np.arange(64)), digest="drawn")


def _trainers(count: int, device: str, precision: str, data: TrainingData) -> list[Trainer]:
    settings = {
        "data": {"root": "."}, "network": {"depth": 18}, "batch_size": BATCH[device],
        "runtime": {"device": device, "precision": precision},
    }  # fmt: skip
    return [
        Trainer(
            TrainConfig.model_validate({
                **settings, "seed": number, "distill": {"temperature": 1.0 + number},
                "optim": {"schedule": "constant", "learning_rate": 1e-4 * (number + 1)},
            }),
            data,
        )
        for number in range(count)
    ]  # fmt: skip


def _batches(trainers: Sequence[Trainer]) -> Iterator[Rows]:
    orders = (
        cycle(list(shuffled_batches(512, each.config.batch_size, each.config.seed, 0))) for each in trainers
    )
    return (np.stack(batch) for batch in zip(*orders, strict=True))


def _training(device: str, count: int, precision: str) -> list[Row]:
    """One update of all members; losses of every update are compared."""
    data = _data()
    sides: dict[str, Step] = {}
    stacked = _trainers(count, device, precision, data)
    epoch = StackedEpoch(stacked)
    epoch.network.train()
    order = _batches(stacked)
    sides["stacked"] = lambda: epoch.step(next(order))[:, 0].cpu().numpy()
    for name in ("in turn", "streams") if device == "cuda" else ("in turn",):
        sides[name] = _separate(_trainers(count, device, precision, data), streams=name == "streams")
    losses: dict[str, list[np.ndarray]] = {name: [] for name in sides}
    steps = {name: partial(_kept, losses[name], step) for name, step in sides.items()}
    load = os.getloadavg()[0]
    clock = time.perf_counter if device == "cuda" else time.process_time
    seconds = in_turns(steps, REPEATS, clock)
    rate = {name: count * BATCH[device] / value for name, value in seconds.items()}
    return [
        Row(
            f"{count} trials stacked against {name}, {precision}, batch {BATCH[device]}, {device}",
            rate["stacked"], rate[name], "sample-trials/s", rate["stacked"] / rate[name], None,
            _apart(losses["stacked"], losses[name]), note=f"one thread, load {load:.1f}",
        )
        for name in sides if name != "stacked"
    ]  # fmt: skip


def _separate(trainers: list[Trainer], streams: bool) -> Step:
    for trainer in trainers:
        trainer.network.train()
    order = _batches(trainers)
    lanes = [torch.cuda.Stream() for _ in trainers] if streams else None
    if lanes:
        torch.cuda.synchronize()  # the networks were made on another stream

    def step() -> np.ndarray:
        totals = []
        for number, (trainer, rows_B) in enumerate(zip(trainers, next(order), strict=True)):
            with torch.cuda.stream(lanes[number]) if lanes else nullcontext():
                totals.append(trainer.train_step(rows_B).total)
        if lanes:
            torch.cuda.synchronize()
        return torch.stack(totals).cpu().numpy()

    return step


def _kept(losses: list[np.ndarray], step: Step) -> None:
    losses.append(step())


def _apart(ours: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    a, b = np.stack(ours), np.stack(theirs)
    far = np.abs(a - b) / np.abs(b)
    return f"losses {far[0].max():.1e} at the first update, {far.max():.1e} over {len(far)}"


def _ways(count: int) -> list[Row]:
    """Forward and backward of the same networks and losses, in float32 on the CPU."""
    data = _data()
    trainers = _trainers(count, "cpu", "float32", data)
    networks = [trainer.network.train() for trainer in trainers]
    configs = [trainer.config.distill for trainer in trainers]
    own = [data.train_batch(rows_B, 0, trainers[0].device) for rows_B in next(_batches(trainers))]
    features_KBFT = torch.stack([batch.features_BFT for batch in own])
    labels_KB = torch.stack([batch.labels_B for batch in own])
    first = [scalars_at(config, 1) for config in configs]
    scalars = scalars_together(first, trainers[0].device)
    grouped = StackedNetwork(networks).train()
    parameters, buffers = stack_module_state(networks)

    def together(outputs: list[ExitOutput]) -> torch.Tensor:
        total_K = stacked_loss(configs[0], scalars, outputs, labels_KB).total
        total_K.sum().backward()
        return total_K.detach()

    def by_loop() -> torch.Tensor:
        totals = []
        for network, config, batch in zip(networks, configs, own, strict=True):
            totals.append(
                distill_loss(config, network(batch.features_BFT), batch.labels_B, scalars_at(config, 1)).total
            )
            totals[-1].backward()
        return torch.stack(totals).detach()

    def by_vmap() -> torch.Tensor:
        parts = torch.vmap(partial(_outputs, networks[0]))(parameters, buffers, features_KBFT)
        return together([ExitOutput(**part) for part in parts])

    ways = {
        "groups": lambda: together(grouped(features_KBFT.transpose(0, 1))), "vmap": by_vmap, "loop": by_loop
    }  # fmt: skip
    first = {name: way() for name, way in ways.items()}
    load = os.getloadavg()[0]
    seconds = in_turns(ways, REPEATS)
    rate = {name: count * BATCH["cpu"] / value for name, value in seconds.items()}
    return [
        Row(
            f"{count} networks by {name} against a loop, forward and backward, float32, batch 16, cpu",
            rate[name], rate["loop"], "sample-trials/s", rate[name] / rate["loop"], None,
            f"losses {float(((first[name] - first['loop']) / first['loop']).abs().max()):.1e}",
            note=f"one thread, load {load:.1f}",
        )
        for name in ("groups", "vmap")
    ]  # fmt: skip


def _outputs(
    network: MultiExitNetwork, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor],
    features_BFT: torch.Tensor,
) -> list[dict[str, torch.Tensor]]:  # fmt: skip
    outputs = functional_call(network, (parameters, buffers), (features_BFT,))
    return [{f.name: part for f in fields(o) if (part := getattr(o, f.name)) is not None} for o in outputs]


if __name__ == "__main__":
    from tests.bench.side_by_side import table

    print(table(rows()))
