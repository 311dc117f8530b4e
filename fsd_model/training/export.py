"""Exports a trainer as a detector folder: calibrated on dev, with a parity check."""

from __future__ import annotations

import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsd_model.data.licence import licence_of
from fsd_model.detector.calibration import fit_calibration
from fsd_model.detector.card import DetectorCard
from fsd_model.detector.detector import Detector, empty_network
from fsd_model.detector.dev_results import dev_metrics
from fsd_model.detector.exit_networks import planned_weights
from fsd_model.detector.exit_plan import ExitPlan
from fsd_model.detector.operating_point import OperatingPoint
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.scores.score_file import Scores
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData
from fsd_model.training.trainer import Trainer
from fsd_model.training.validation import DevResult

_PACKAGES = ("fsd-tuner", "torch", "torchaudio", "numpy", "scipy", "soundfile")

# bfloat16 segments round to 8 bits; the detector computes them in float32.
PROBE = 8
PARITY = {"float32": 1e-4, "bfloat16": 5e-2}

_DEEPEST = ExitPlan()


class ParityError(RuntimeError):
    """The reloaded detector does not reproduce the training network's scores."""


def export_detector(trainer: Trainer, folder: Path, exits: ExitPlan = _DEEPEST) -> Detector:
    """Write the best epoch's deployed network as a detector folder and prove that it scores the same.

    Args:
        trainer: after at least one epoch.
        folder: created if missing.
        exits: the exits of the trained network that the detector uses.

    Returns:
        The detector, as loaded from the folder.

    Raises:
        InputError: the folder cannot be written.
        ParityError: its scores of the first dev utterances differ from the training network's.
    """
    best = trainer.best
    if best is None:
        raise RuntimeError("export_detector needs a trainer with at least one epoch done")
    network = empty_network(trainer.config.network, trainer.config.feature, exits)
    columns = _columns(trainer.config, exits)
    trained = [*trainer.best_classifiers, trainer.best_weights["classifier.weight"]]
    kept = [trained[column] for column in columns]
    network.load_state_dict(planned_weights(network, trainer.best_weights, kept))
    parameters = sum(p.numel() for p in network.parameters())
    scores_N = exits.scores(best.scores_NE[:, columns])
    Detector(_card(trainer.config, best, trainer.data, exits, scores_N, parameters), network).save(folder)
    detector = Detector.load(folder, allow_code=True)  # what it names has just been trained here
    _check_parity(detector, trainer, scores_N[:PROBE], PARITY[best.precision])
    return detector


def _columns(config: TrainConfig, exits: ExitPlan) -> list[int]:
    """Return the positions, from 0, of the plan's exits among the trained ones."""
    trained = (*config.resolved_cuts, config.blocks)
    return [trained.index(place) for place in exits.places or trained[-1:]]


def _card(
    config: TrainConfig, best: DevResult, data: TrainingData, exits: ExitPlan,
    scores_N: NDArray[np.floating], parameters: int,
) -> DetectorCard:  # fmt: skip
    dev, point = data.dev, OperatingPoint.of()
    names, attacks = [u.name for u in dev.utterances], [u.attack for u in dev.utterances]
    scores = Scores(names, attacks, dev.labels_N, np.asarray(scores_N, dtype=np.float64))
    calibration = fit_calibration(scores.of_class(BONAFIDE), scores.of_class(SPOOF))
    return DetectorCard(
        feature=config.feature,
        network=config.network,
        calibration=calibration,
        operating_point=point,
        dev=dev_metrics(scores, [u.speaker for u in dev.utterances], calibration, point),
        epoch=best.epoch,
        trained_cuts=config.resolved_cuts,
        exits=exits,
        parameters=parameters,
        data=config.data,
        data_digest=data.digest,
        licence=licence_of(config.data),
        left_out=data.left_out,
        fingerprint=config.fingerprint(),
        seed=config.seed,
        versions=versions(),
    )


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages that the numbers depend on; those not installed are left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _check_parity(
    detector: Detector, trainer: Trainer, expected: NDArray[np.floating], rounding: float
) -> None:
    features_BFT = trainer.data.dev.features(np.arange(len(expected)))
    error = float(np.abs(detector.score_features(features_BFT) - expected).max())
    allowed = rounding * max(1.0, float(np.abs(expected).max()))
    if not error <= allowed:
        raise ParityError(f"the exported detector's scores differ by {error:.2e} (allowed {allowed:.0e})")
