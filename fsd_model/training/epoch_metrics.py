"""The metrics of an epoch: means of its training losses, and results on dev."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from fsd_model.features.feature_set import FeatureSet
from fsd_model.scores.eer_by_group import per_attack_eer
from fsd_model.scores.score_file import Scores
from fsd_model.training.exit_metrics import best_eers
from fsd_model.training.validation import DevResult


def dev_scores(dev: FeatureSet, values_N: Sequence[float]) -> Scores:
    """Return the dev scores by utterance."""
    names = [utterance.name for utterance in dev.utterances]
    attacks = [utterance.attack for utterance in dev.utterances]
    return Scores(names, attacks, dev.labels_N, np.array(values_N))


def attack_rates(dev: FeatureSet, values_N: Sequence[float]) -> dict[str, float]:
    """Return the EER of each attack against all bona fide speech, by metric name: `dev/eer_attack_A01`.

    Characters that MLflow refuses in metric names become `_`.
    """
    rates = per_attack_eer(dev_scores(dev, values_N))
    return {
        f"dev/eer_attack_{re.sub(r'[^A-Za-z0-9_. -]', '_', attack)}": eer.rate
        for attack, eer in rates.items()
    }


class DivergenceError(ArithmeticError):
    """The loss or the scores became NaN or infinite."""


def train_metrics(means: Sequence[float], epoch: int, rate: float) -> dict[str, float]:
    """Return the metrics `train/..` of `Trainer.epochs`.

    Args:
        means: means over the epoch's utterances of total, hard, soft and feature loss.
        epoch: counted from 1.
        rate: learning rate of the last update.

    Raises:
        DivergenceError: the total is not a finite number.
    """
    total, hard, soft, feature = means
    if not math.isfinite(total):
        way_out = "lower the learning rate or the loss weights"
        raise DivergenceError(f"epoch {epoch}: the training loss is {total}; {way_out}")
    return {
        "train/loss": total,
        "train/hard": hard,
        "train/soft": soft,
        "train/feature": feature,
        "train/learning_rate": rate,
    }


def dev_metrics(result: DevResult, best: DevResult, dev: FeatureSet, blocks: int) -> dict[str, float]:
    """Return the metrics `dev/..` of `Trainer.epochs`.

    Args:
        result: result of the epoch.
        best: result of the best epoch so far.
        dev: the split of both.
        blocks: number of blocks of the network.

    Raises:
        DivergenceError: the loss is not a finite number.
    """
    if not math.isfinite(result.loss):
        raise DivergenceError(f"epoch {result.epoch}: the dev loss is {result.loss}; lower the learning rate")
    exits = {f"dev/eer_exit{n}": rate for n, rate in enumerate(result.padded_exits(blocks), 1)}
    return {
        "dev/loss": result.loss,
        "dev/eer": result.eer,
        "dev/cllr": result.cllr,
        "dev/eer_best": best.eer,
        "dev/cllr_best": best.cllr,
        "dev/loss_best": best.loss,
        **exits,
        **attack_rates(dev, result.scores),
        **best_eers(best, blocks),
    }
