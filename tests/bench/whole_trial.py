"""A whole trial: from the files of a corpus to the last dev score, against a plain loop.

Ours is the trainer as a search runs it, in bfloat16, its feature store empty at first. The reference is what
a first version looks like: each file decoded and transformed (soundfile, librosa) whenever its turn comes, a
DataLoader, and the float32 step of `per_exit`. Network, objective, learning rates and epochs are the same.

Shapes: B utterances, F bins, T frames.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import librosa
import numpy as np
import scipy.signal
import soundfile
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from fsd_model.corpus.logical_access import make_corpus
from fsd_model.data.training_splits import read_split
from fsd_model.data.utterance import Utterance
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.networks.attention_resnet import build_backbone
from fsd_model.networks.exits import bonafide_score
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.training.config import TrainConfig
from fsd_model.training.optim import learning_rate, set_learning_rate
from fsd_model.training.trainer import Trainer
from tests.bench.per_exit import exit_by_exit, plain_loss
from tests.bench.side_by_side import Row, in_turns

EPOCHS, BATCH, REPEATS = 12, 16, 3
RUNTIME = {"device": "cpu", "precision": "bfloat16"}


def librosa_features(path: Path) -> NDArray[np.float32]:
    """The lowest 45 bins of the log magnitude, repeated to 600 frames, (F, T)."""
    samples, _ = soundfile.read(path)
    emphasised = librosa.effects.preemphasis(samples[:80_000], coef=0.97)
    spectrum = librosa.stft(emphasised, n_fft=1728, hop_length=130, window=scipy.signal.windows.blackman)
    log_FT = np.log(np.abs(spectrum[:45]) + np.exp(-80))
    return np.tile(log_FT, 600 // log_FT.shape[1] + 1)[:, :600].astype(np.float32)


class OnTheFly(Dataset[tuple[NDArray[np.float32], int]]):
    """Features computed at every access."""

    def __init__(self, utterances: tuple[Utterance, ...]) -> None:
        self.utterances = utterances

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, row: int) -> tuple[NDArray[np.float32], int]:
        return librosa_features(self.utterances[row].path), self.utterances[row].label


def plain_trial(config: TrainConfig) -> float:
    """Best dev EER of the plain loop."""
    torch.manual_seed(config.seed)
    network = MultiExitNetwork(build_backbone("ecanet", 18), config.resolved_cuts)
    decay = config.optim.weight_decay
    optimiser = torch.optim.Adam(
        network.parameters(), betas=(0.9, 0.98), eps=1e-9, weight_decay=decay, amsgrad=True
    )
    train, dev = (OnTheFly(tuple(read_split(config.data, split))) for split in ("train", "dev"))
    step, best = 0, 1.0
    for _ in range(config.epochs):
        network.train()
        for features_BFT, labels_B in DataLoader(train, config.batch_size, shuffle=True):
            step += 1
            set_learning_rate(optimiser, learning_rate(config.optim, step))
            optimiser.zero_grad()
            plain_loss(config.distill, exit_by_exit(network, features_BFT), labels_B, step).backward()
            optimiser.step()
        best = min(best, dev_eer(network, DataLoader(dev, 64)))
    return best


@torch.no_grad()
def dev_eer(network: MultiExitNetwork, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Of the deepest exit, a fraction."""
    network.eval()
    scored = [(bonafide_score(network(features)[-1].logits_BK), labels) for features, labels in batches]
    scores_N, labels_N = (torch.cat(part).numpy() for part in zip(*scored, strict=True))
    return equal_error_rate(scores_N[labels_N == 1], scores_N[labels_N == 0]).rate


def our_trial(config: TrainConfig) -> float:
    """Best dev EER of the trainer, with a feature store of its own."""
    with tempfile.TemporaryDirectory() as store:
        trainer = Trainer(config.override({"runtime.store": Path(store)}))
        return [metrics["dev/eer_best"] for metrics in trainer.epochs()][-1]


def all_processes() -> float:
    """CPU seconds of this process and of those it started."""
    return sum(os.times()[:4])


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "corpus"
        make_corpus(root, "tiny")
        tree = {"data": {"root": root}, "batch_size": BATCH, "epochs": EPOCHS, "runtime": RUNTIME}
        optim = {"model_size": 2500, "warmup_steps": 20}
        config = TrainConfig.model_validate({**tree, "optim": optim})
        sizes = [len(read_split(config.data, split)) for split in ("train", "dev")]
        rates: dict[str, float] = {}
        sides = {
            "ours": lambda: rates.update(ours=our_trial(config)),
            "plain": lambda: rates.update(plain=plain_trial(config)),
        }
        seconds = in_turns(sides, REPEATS, all_processes)
    return [
        Row(
            "whole trial, bfloat16, against a plain loop with features on the fly", seconds["ours"],
            seconds["plain"], "s", seconds["plain"] / seconds["ours"], 2.5,
            f"best dev EER {100 * rates['ours']:.1f} against {100 * rates['plain']:.1f} %",
            note=f"CPU seconds of all processes; {sizes[0]} train and {sizes[1]} dev files of the tiny demo"
            f" corpus, {EPOCHS} epochs; one dev file moves the EER by some points",
        )
    ]  # fmt: skip
