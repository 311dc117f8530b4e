"""Exits of a trial as detectors: a single exit, the mean of all exits, or early exit.

Hooks of `fsd_model.trial:run`. This module must not read eval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsd_model.detector.exit_plan import ExitPlan, early_scores, fit_calibrations, log_likelihood_ratios
from fsd_model.errors import InputError
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.training.config import TrainConfig
from fsd_model.training.cost import exit_multiply_adds
from fsd_model.training.exit_metrics import ENSEMBLE, best_eer_of, exit_name, metric_names_of
from fsd_model.training.export import export_detector
from fsd_model.training.trainer import Trainer
from fsd_model.trial.leave_attack_out import mean_of

_STEPS = 10


def exits(config: Mapping[str, Any], metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """List what a trial can deploy: each exit, shallowest first, then the mean of all.

    Args:
        config: as for `run`.
        metrics: last report of the trial.

    Returns:
        For each its `name`, the `choice` for `export`, the `metric` with its error, the `error` (EER at
        the best epoch, of unseen attacks where they are the objective; a fraction), `parameters`,
        `multiply_adds` and `latency_ms`. Values that the report lacks are left out.

    Raises:
        pydantic.ValidationError, InputError: faulty settings.
    """
    train_config = TrainConfig.model_validate(dict(config))
    count = len(train_config.resolved_cuts) + 1
    every = [(exit_name(n), f"exit {n}", {"exit": n}) for n in range(1, count + 1)]
    every += [(ENSEMBLE, ENSEMBLE, {"ensemble": True})] if count > 1 else []
    error_of = mean_of if train_config.objective.name == "unseen-attacks" else best_eer_of
    rows = []
    for key, name, choice in every:
        figures = {figure: metrics.get(metric) for figure, metric in metric_names_of(key).items()}
        row = {"name": name, "choice": choice, "metric": error_of(key), **figures}
        rows.append({**row, "error": metrics.get(error_of(key))})
    return [row for row in rows if None not in row.values()]


def export(config: Mapping[str, Any], state: Path, into: Path, choice: Mapping[str, Any]) -> None:
    """Write the detector of one exit, of the mean of exits, or with early exit.

    Args:
        config: as for `run`.
        state: a folder that the trial saved.
        into: the detector's folder.
        choice: {"exit": number from 1}, {"ensemble": True} or {"early": confidence}, a log-likelihood ratio.

    Raises:
        pydantic.ValidationError, InputError: faulty settings, data or state, or no such exit.
        ParityError: the detector does not reproduce the scores of the training network.
    """
    trainer = _opened(config, state)
    export_detector(trainer, into, plan_of(choice, trainer))


def trade_off(
    config: Mapping[str, Any], state: Path, confidences: Sequence[float] = ()
) -> list[dict[str, Any]]:
    """Return error and average cost of early exit on dev, by confidence.

    Args:
        config: as for `run`.
        state: a folder that the trial saved.
        confidences: requested ones; empty for ten steps between the least and the most.

    Returns:
        For each a row with `confidence` (from 0, where all leave at the shallowest exit, to inf, where none
        leaves before the deepest), `error` (EER, a fraction), `multiply_adds` (the average over dev) and
        `left` (the fraction of dev that leaves at each exit).

    Raises:
        pydantic.ValidationError, InputError: faulty settings, data or state.
    """
    trainer = _opened(config, state)
    scores_NE, labels_N = _scores(trainer)
    llr_NE = log_likelihood_ratios(fit_calibrations(scores_NE, labels_N), scores_NE)
    cost_E = np.array(exit_multiply_adds(trainer.config).passing)
    rows = []
    for confidence in confidences or _steps(llr_NE):
        early_N, taken_N = early_scores(llr_NE, confidence)
        equal = equal_error_rate(*(early_N[labels_N == label] for label in (BONAFIDE, SPOOF)))
        left = np.bincount(taken_N, minlength=len(cost_E)) / len(taken_N)
        row = {"confidence": confidence, "error": equal.rate, "multiply_adds": float(cost_E[taken_N].mean())}
        rows.append({**row, "left": left.tolist()})
    return rows


def _steps(llr_NE: NDArray[np.float64]) -> list[float]:
    """Return confidences from 0, where all leave at once, to infinity, in steps of equal numbers of
    utterances.
    """
    shallow = np.abs(llr_NE[:, :-1])
    steps = np.quantile(shallow, np.linspace(0, 1, _STEPS + 1)[1:-1]) if shallow.size else np.empty(0)
    return [0.0, *sorted({float(f"{step:.3g}") for step in steps} - {0.0}), math.inf]


def plan_of(choice: Mapping[str, Any], trainer: Trainer) -> ExitPlan:
    """Return the exit plan of a choice, with calibrations fitted on dev.

    Raises:
        InputError: no such exit, a confidence below 0, or several exits of a network that has one.
    """
    places = (*trainer.config.resolved_cuts, trainer.config.blocks)
    if "exit" in choice:
        number = choice["exit"]
        if not 1 <= number <= len(places):
            raise InputError(f"exit: this trial has exits 1 to {len(places)}, got {number}; give one of them")
        return ExitPlan(places=() if number == len(places) else (places[number - 1],))
    confidence = choice.get("early")
    if confidence is not None and not 0 <= confidence < math.inf:
        way_out = f"give 0 or more (for none to leave early: exit {len(places)})"
        raise InputError(f"early: the confidence must be a finite number from 0, got {confidence}; {way_out}")
    if len(places) == 1:
        raise InputError("exits: this trial has one exit, the deepest, and nothing to combine; give exit 1")
    calibrations = fit_calibrations(*_scores(trainer))
    return ExitPlan(places=places, calibrations=calibrations, confidence=confidence)


def _opened(config: Mapping[str, Any], state: Path) -> Trainer:
    train_config = TrainConfig.model_validate(dict(config)).override({"runtime.device": "cpu"})
    trainer = Trainer(train_config)
    trainer.load(state)
    if trainer.best is None:
        raise InputError(f"{state}: was saved before the first epoch was over; give a later state")
    return trainer


def _scores(trainer: Trainer) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    assert trainer.best is not None
    return trainer.best.scores_NE, trainer.data.dev.labels_N
