"""The objective of unseen attacks: a training per fold, then one on all attacks for the detector itself.

The detector of a fold is that of the best epoch on the attacks it was trained with, as for the deployed
detector; the held-out attack does not influence that choice. So the EER is that of a detector on an attack
that it has never seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fsd_model.atomic_write import write_text
from fsd_model.detector.exit_networks import deploy_exits, planned_weights
from fsd_model.detector.exit_plan import fit_calibrations, log_likelihood_ratios
from fsd_model.errors import InputError
from fsd_model.features.feature_set import FeatureSet
from fsd_model.metrics.llr_cost import cllr
from fsd_model.networks.build import build_network
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.scores.eer_by_group import eer_by_exit
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData
from fsd_model.training.exit_metrics import exit_metric_names, exit_names
from fsd_model.training.resource_metrics import RESOURCE_METRICS
from fsd_model.training.trainer import Trainer
from fsd_model.training.validation import batches_in_order
from fsd_model.trial.attack_folds import Fold, leave_out
from fsd_model.trial.building import build_trainer

STATE_FILE = "folds.json"
FOLD, MEAN, WORST, CLLR = "unseen/eer_fold", "unseen/eer_mean", "unseen/eer_worst", "unseen/cllr_mean"
LOSS = "unseen/loss_mean"


@dataclass(frozen=True)
class FoldResult:
    """Results of one fold on its held-out attacks.

    Attributes:
        eer: EER of the deepest exit, a fraction.
        cllr: Cllr of the deepest exit, bits.
        loss: loss on dev, nats.
        exits: EER by exit, as many as the network has blocks (see `DevResult.padded_exits`).
        ensemble: EER of the mean of the exits, calibrated on the known attacks of dev; None where `exits` is
            empty.
    """

    eer: float
    cllr: float
    loss: float
    exits: tuple[float, ...] = ()
    ensemble: float | None = None


@dataclass
class Folds:
    """Results of the folds done so far, in the order of the groups; `key` identifies configuration
    and data.
    """

    results: dict[str, FoldResult] = field(default_factory=dict)
    key: str = ""

    def metrics(self) -> dict[str, float]:
        """Return mean and worst EER over the folds done, and the EER of each."""
        rates = {name: result.eer for name, result in self.results.items()}
        done = list(self.results.values())
        return {
            MEAN: float(np.mean(list(rates.values()))),
            WORST: max(rates.values()),
            CLLR: float(np.mean([result.cllr for result in done])),
            LOSS: float(np.mean([result.loss for result in done])),
            **_by_exit(done),
            **{eer_of(name): rate for name, rate in rates.items()},
        }

    def save(self, folder: Path) -> None:
        """Write the results, so that a later attempt resumes with the next fold."""
        results = {name: vars(result) for name, result in self.results.items()}
        plain = {"key": self.key, "results": results}
        write_text(folder / STATE_FILE, json.dumps(plain, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, key: str) -> Folds:
        """Read what `save` wrote; no folds where there is no such file.

        Raises:
            InputError: a damaged file, or the folds of another configuration or other data.
        """
        path = folder / STATE_FILE
        if not path.is_file():
            return cls(key=key)
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            found = cls({name: _read(each) for name, each in plain["results"].items()}, plain["key"])
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise InputError(f"{path}: damaged results of folds; delete it and start again") from error
        if found.key != key:
            raise InputError(f"{path}: folds of another configuration or other data; start in another folder")
        return found


def eer_of(group: str) -> str:
    """Return the metric name of the EER of a held-out group; characters that MLflow refuses become `_`."""
    return f"unseen/eer/{re.sub(r'[^A-Za-z0-9_. -]', '_', group)}"


def mean_of(name: str) -> str:
    """Return the metric name of the mean EER over folds of `exit2` or `ensemble`."""
    return f"{MEAN}_{name}"


def run_folds(config: TrainConfig, data: TrainingData, folds: Folds) -> Iterator[dict[str, float]]:
    """Train and evaluate the folds that `folds` does not contain yet, adding each to it.

    Args:
        config: the training, with the groups of its objective resolved.
        data: all of train and dev.
        folds: folds done so far.

    Yields:
        `Folds.metrics`, `unseen/eer_fold` (EER of the fold just done), `RESOURCE_METRICS`, and the
        metrics of the exits.
    """
    for name, held_out in (config.objective.groups or {}).items():
        if name not in folds.results:
            folds.results[name], figures = judge_fold(config, leave_out(data, held_out))
            yield {**folds.metrics(), FOLD: folds.results[name].eer, **figures}


def judge_fold(config: TrainConfig, fold: Fold) -> tuple[FoldResult, dict[str, float]]:
    """Train without the held-out attacks and score them with the detector of the best epoch on known attacks.

    Returns:
        The result, and the last report of `RESOURCE_METRICS` and of the exits' metrics.
    """
    trainer = build_trainer(config, fold.data)
    told = [*RESOURCE_METRICS, *exit_metric_names(config.blocks)]
    for metrics in trainer.epochs():
        figures = {name: metrics[name] for name in told}
    assert trainer.best is not None
    labels_N, known_N = fold.target.labels_N, fold.data.dev.labels_N
    scores_NE = _scores(trainer, fold.target)
    *exits, deepest = [rate.rate for rate in eer_by_exit(scores_NE, labels_N)]
    ratios_NE = log_likelihood_ratios(fit_calibrations(trainer.best.scores_NE, known_N), scores_NE)
    (mean,) = eer_by_exit(ratios_NE.mean(axis=1, keepdims=True), labels_N) if exits else (None,)
    return FoldResult(
        deepest,
        cllr(*(scores_NE[labels_N == label, -1] for label in (1, 0))),
        trainer.best.loss,
        (*exits, *[deepest] * (config.blocks - len(exits))),
        deepest if mean is None else mean.rate,
    ), figures


def _by_exit(done: Sequence[FoldResult]) -> dict[str, float]:
    """Return the means over folds by exit; empty unless all folds have exits."""
    rates = [[*result.exits, result.ensemble] for result in done if result.ensemble is not None]
    if len(rates) < len(done):
        return {}
    means = np.mean(rates, axis=0).tolist()
    return {mean_of(name): mean for name, mean in zip(exit_names(len(means) - 1), means, strict=True)}


def _read(plain: dict[str, Any]) -> FoldResult:
    return FoldResult(**{**plain, "exits": tuple(plain["exits"])})


def _scores(trainer: Trainer, target: FeatureSet) -> NDArray[np.float64]:
    config = trainer.config
    whole = MultiExitNetwork(build_network(config.network, config.feature), config.resolved_cuts, None)
    network = deploy_exits(whole, range(1, len(whole.exits) + 1))
    classifiers = [*trainer.best_classifiers, trainer.best_weights["classifier.weight"]]
    network.load_state_dict(planned_weights(network, trainer.best_weights, classifiers))
    network.eval().to(trainer.device)
    with torch.inference_mode():
        batches = batches_in_order(target, trainer.device)
        scores = [network(features_BFT).double().cpu().numpy() for _, features_BFT, _ in batches]
    scores_NE: NDArray[np.float64] = np.concatenate(scores)
    return scores_NE
