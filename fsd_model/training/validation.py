"""Scores, loss and EER of every exit on the dev set, in one pass.

Shapes: N utterances, E exits, B utterances of a batch, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fsd_model.detector.exit_plan import ensemble_scores
from fsd_model.distributed.processes import ALONE, Processes
from fsd_model.features.feature_set import FeatureSet
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.llr_cost import cllr
from fsd_model.networks.exits import bonafide_score
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.scores.eer_by_group import eer_by_exit
from fsd_model.training.runtime import Precision

BATCH = 64


@dataclass(frozen=True)
class DevResult:
    """Results of one epoch on dev.

    Attributes:
        epoch: counted from 1.
        loss: mean cross-entropy of the deepest exit on |x| cos(theta), nats.
        eer: EER of the deepest exit, a fraction.
        cllr: Cllr of the deepest exit's uncalibrated scores, bits; ranks epochs with equal EER.
        threshold: the score where miss and false-alarm rate of the deepest exit meet.
        exits: EER of each exit, shallowest first.
        exit_scores: scores of each exit, shallowest first, in the order of dev; an exported detector must
            reproduce them, and every use of the exits is evaluated from them.
        precision: precision of the segments at that epoch; a later attempt may use another.
        ensemble: EER of the mean of all exits, calibrated on dev; see `with_ensemble`.
    """

    epoch: int
    loss: float
    eer: float
    cllr: float
    threshold: float
    exits: tuple[float, ...]
    exit_scores: tuple[tuple[float, ...], ...]
    precision: Precision = "float32"
    ensemble: float | None = None

    def with_ensemble(self, labels_N: NDArray[np.int64]) -> DevResult:
        """Return the result with the EER of the mean of all exits; takes a second for 25,000 utterances."""
        (mean,) = eer_by_exit(ensemble_scores(self.scores_NE, labels_N)[:, None], labels_N)
        return replace(self, ensemble=mean.rate)

    @property
    def scores(self) -> tuple[float, ...]:
        """Scores of the deepest exit, in the order of dev."""
        return self.exit_scores[-1]

    @property
    def scores_NE(self) -> NDArray[np.float64]:
        """Scores (N, E) of each exit."""
        return np.array(self.exit_scores).T

    def padded_exits(self, count: int) -> tuple[float, ...]:
        """Return the EER of `count` >= E places; places behind the deepest exit repeat it.

        All trainings of a network then have the same metrics, whatever the number of cuts.
        """
        return self.exits + (self.exits[-1],) * (count - len(self.exits))

    @property
    def rank(self) -> tuple[float, float, float]:
        """Sort key, lower is better: EER, then Cllr, then loss."""
        return self.eer, self.cllr, self.loss

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> DevResult:
        return cls(**{**given, "exits": tuple(given["exits"]), "exit_scores": tuple(given["exit_scores"])})


def batches_in_order(
    data: FeatureSet, device: torch.device, processes: Processes = ALONE
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield rows, features (B, F, T) and labels (B,) of a split, batch by batch in its order.

    Args:
        data: the split.
        device: where features and labels are needed.
        processes: whole batches are distributed over them.
    """
    count = len(data.labels_N)
    for start in range(processes.rank * BATCH, count, processes.size * BATCH):
        rows_B = np.arange(start, min(start + BATCH, count))
        yield slice(start, start + len(rows_B)), *data.batch(rows_B, device)


def exit_scores(
    network: MultiExitNetwork,
    data: FeatureSet,
    device: torch.device,
    precision: str,
    processes: Processes = ALONE,
) -> tuple[NDArray[np.float32], float]:
    """Return scores (N, E) of every exit, and the mean cross-entropy of the deepest (nats).

    Batches are distributed over the processes; every process gets all scores.
    """
    network.eval()
    count = len(data.labels_N)
    scores_NE = torch.zeros(count, len(network.exits), device=device)
    losses = torch.zeros(-(-count // BATCH), dtype=torch.float64, device=device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        for rows, features_BFT, labels_B in batches_in_order(data, device, processes):
            logits_EBK = [output.logits_BK for output in network(features_BFT)]
            scores_BE = torch.stack([bonafide_score(logits_BK) for logits_BK in logits_EBK], dim=1)
            scores_NE[rows] = scores_BE.float()
            loss = functional.cross_entropy(logits_EBK[-1].float(), labels_B, reduction="sum")
            losses[rows.start // BATCH] = loss
    if processes.size > 1:
        scores_NE, losses = (processes.total(part) for part in (scores_NE, losses))
    return scores_NE.cpu().numpy(), sum(losses.tolist()) / count


def validate(
    network: MultiExitNetwork,
    data: FeatureSet,
    epoch: int,
    device: torch.device,
    precision: Precision = "float32",
    processes: Processes = ALONE,
) -> DevResult:
    """Score dev and compute the EER of each exit; equal in all processes.

    Raises:
        InputError: scores that are NaN or infinite.
    """
    scores_NE, loss = exit_scores(network, data, device, precision, processes)
    return judge(scores_NE, loss, data, epoch, precision)


def judge(
    scores_NE: NDArray[np.float32], loss: float, data: FeatureSet, epoch: int, precision: Precision
) -> DevResult:
    """Return the result for scores (N, E) of every exit and a mean cross-entropy; raises as `validate`."""
    rates = eer_by_exit(scores_NE, data.labels_N)
    scores = tuple(tuple(scores_N) for scores_N in scores_NE.T.tolist())
    calibration = cllr(*(scores_NE[data.labels_N == label, -1] for label in (BONAFIDE, SPOOF)))
    exits = tuple(rate.rate for rate in rates)
    rate, threshold = rates[-1].rate, rates[-1].threshold
    return DevResult(epoch, loss, rate, calibration, threshold, exits, scores, precision)
