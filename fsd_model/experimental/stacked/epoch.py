"""One epoch of several trainers as one network.

Shapes: K members, N utterances, E exits, B utterances of a batch, F bins, T frames, L classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fsd_model.distillation.total_loss import LossTerms
from fsd_model.experimental.stacked.adam import StackedAdam
from fsd_model.experimental.stacked.loss import stacked_loss, together
from fsd_model.experimental.stacked.network import StackedNetwork
from fsd_model.features.feature_set import Batch
from fsd_model.networks.exits import ExitOutput
from fsd_model.training.data import shuffled_batches
from fsd_model.training.optim import learning_rate
from fsd_model.training.trainer import Trainer
from fsd_model.training.validation import batches_in_order

Rows = NDArray[np.int64]


class StackedEpoch:
    """The next epoch of each trainer: copy their state in, train, validate, copy it back.

    Args:
        trainers: of one form, each at its own epoch; see `stacked.trainer.StackedTrainer`.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        first = trainers[0]
        self._trainers = trainers
        self._config, self._device, self._dev = first.config, first.device, first.data.dev
        self._half = first.config.runtime.precision == "bfloat16"
        self.network = StackedNetwork([each.network for each in trainers])
        named = dict(self.network.named_parameters())
        parameters = [named[name] for name, _ in first.network.named_parameters()]
        self._optimiser = StackedAdam(parameters, [each.optimiser for each in trainers])

    def train(self) -> Tensor:
        """Make all updates; return the epoch's mean total, hard, soft and feature loss per member, (K, 4)."""
        self.network.train()
        sums_K4 = torch.zeros(len(self._trainers), 4, device=self._device)
        count = 0
        for rows_KB in self._batches():
            sums_K4 += self.step(rows_KB) * rows_KB.shape[1]
            count += rows_KB.shape[1]
        return sums_K4 / count

    def step(self, rows_KB: Rows) -> Tensor:
        """Make one update of each member on its own rows; return its loss terms before, (K, 4)."""
        rates = []
        for trainer in self._trainers:
            trainer.step += 1
            rates.append(learning_rate(trainer.config.optim, trainer.step))
        batch = self._batch(rows_KB)
        terms = self._loss(batch)
        terms_4K = torch.stack([terms.total, terms.hard, terms.soft, terms.feature])
        terms.total.sum().backward()  # type: ignore[no-untyped-call]
        self._optimiser.step(rates)
        return terms_4K.detach().T

    def validate(self) -> tuple[NDArray[np.float32], list[float]]:
        """Return scores (K, N, E) of every exit on dev, and each member's mean cross-entropy of
        the deepest.
        """
        self.network.eval()
        count = len(self._dev.labels_N)
        scores: list[Tensor] = []
        losses_K = torch.zeros(len(self._trainers), dtype=torch.float64)
        with torch.inference_mode(), self._autocast():
            for _, features_BFT, labels_B in batches_in_order(self._dev, self._device):
                outputs = self.network(features_BFT[:, None])
                logits_EKBL = torch.stack([logits(output) for output in outputs])
                scores.append((logits_EKBL[..., 1] - logits_EKBL[..., 0]).permute(1, 2, 0).cpu())
                entropies_KB = functional.cross_entropy(
                    logits_EKBL[-1].movedim(2, 1), labels_B.expand(len(losses_K), -1), reduction="none"
                )
                losses_K += entropies_KB.sum(1).cpu()
        return torch.cat(scores, 1).numpy(), (losses_K / count).tolist()

    def give_back(self) -> None:
        """Copy weights, statistics and moments to the trainers; the stack must not be used afterwards."""
        self.network.give_back()
        self._optimiser.give_back()
        for trainer in self._trainers:
            trainer.network.eval()

    def _loss(self, batch: Batch) -> LossTerms:
        features_BKFT, labels_KB = batch.features_BFT, batch.labels_B
        two_view = batch.clean_BFT is not None
        if batch.clean_BFT is not None:
            features_BKFT = torch.cat([features_BKFT, batch.clean_BFT])
            labels_KB = torch.cat([labels_KB, labels_KB], 1)
        with self._autocast():
            outputs = self.network(features_BKFT)
        scalars = together([each.distiller.scalars(each.step) for each in self._trainers], self._device)
        return stacked_loss(self._config.distill, scalars, outputs, labels_KB, two_view)

    def _batches(self) -> Iterator[Rows]:
        orders = [
            shuffled_batches(
                len(each.data.train.labels_N), each.config.batch_size, each.config.seed, each.epoch
            )
            for each in self._trainers
        ]
        for rows in zip(*orders, strict=True):
            yield np.stack(rows)

    def _batch(self, rows_KB: Rows) -> Batch:
        """Return features and clean features (B, K, F, T), or (B, 1, F, T) if shared; labels (K, B)."""
        first = self._trainers[0]
        count = len(self._trainers)
        if first.data.augmentation is not None or any(each.data is not first.data for each in self._trainers):
            own = [
                each.data.train_batch(rows_B, each.epoch, each.device)
                for each, rows_B in zip(self._trainers, rows_KB, strict=True)
            ]
            clean = [each.clean_BFT for each in own if each.clean_BFT is not None]
            return Batch(
                torch.stack([each.features_BFT for each in own], 1),
                torch.stack([each.labels_B for each in own]),
                torch.stack(clean, 1) if clean else None,
            )
        # nothing here depends on seed or epoch: one look-up serves all
        same = bool((rows_KB == rows_KB[0]).all())
        batch = first.data.train_batch(rows_KB[0] if same else rows_KB.T.ravel(), first.epoch, first.device)
        width = 1 if same else count
        labels_KB = torch.unflatten(batch.labels_B, 0, (-1, width)).T.expand(count, -1)
        return Batch(torch.unflatten(batch.features_BFT, 0, (-1, width)), labels_KB)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._half)


def logits(output: ExitOutput) -> Tensor:
    """Return |x| cos(theta) of all members, (K, B, L)."""
    return output.norm_B[..., None] * output.cosine_BK
