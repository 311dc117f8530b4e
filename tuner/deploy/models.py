"""Deployable models of a search: every exit of every complete trial, and the Pareto set.

The hook `exits` of the trial lists them; this module compares. Parameters and multiply-adds are counted, so
they are equal for equal networks. Latency is measured beside other trials, which can only add to it, so
networks with equal counts get the lowest latency of theirs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tuner.errors import StudyError
from tuner.files import write_text
from tuner.journal.record import TrialRecord
from tuner.results.selection import dominates, ranked
from tuner.results.study_folder import StudyFolder
from tuner.space.space import with_values
from tuner.study.study import Study
from tuner.trial_module import TrialModule

FILE = "exits.json"


@dataclass(frozen=True)
class Deployable:
    """One model of a trial.

    Attributes:
        trial: the trial's number.
        name: from the trial, such as "exit 2".
        choice: argument of the trial's `export`.
        metric: name of the metric of `error`.
        error: lower is better, fraction.
        parameters: counted.
        multiply_adds: counted, per utterance.
        latency_ms: measured, per utterance, milliseconds.
    """

    trial: int
    name: str
    choice: Mapping[str, Any]
    metric: str
    error: float
    parameters: float
    multiply_adds: float
    latency_ms: float

    @property
    def costs(self) -> tuple[float, ...]:
        """Return all values that should be low."""
        return self.error, self.parameters, self.multiply_adds, self.latency_ms

    @property
    def finite(self) -> bool:
        """Return whether all of them are finite."""
        return all(map(math.isfinite, self.costs))

    def words(self) -> str:
        """Return one line of text."""
        figures = f"{self.parameters:,.0f} parameters, {self.multiply_adds:,.0f} multiply-adds"
        return f"{self.name} of trial {self.trial}: {self.metric} {self.error:.6g}, {figures}, " + (
            f"{self.latency_ms:.3g} ms"
        )


def params_of(study: Study, trial: TrialRecord) -> dict[str, Any]:
    """Return the config of a trial at its end, with changes of retries."""
    return with_values(study.config(trial.params), trial.changes)


def deployables(study: Study, trials: Sequence[TrialRecord]) -> list[Deployable]:
    """Return every deployable model of the complete, feasible trials, the best trial first.

    Raises:
        StudyError: the trial function has no `exits`.
        ValueError: what `exits` raises.
    """
    exits = TrialModule(study.trial).require("exits", "an export needs")
    found = [
        Deployable(trial.number, **row)
        for trial in ranked(trials, study.metric, study.constraints)
        for row in exits(params_of(study, trial), trial.metrics)
    ]
    return _one_latency([model for model in found if model.finite])


def deployables_of(search: StudyFolder, trial: int | None = None) -> list[Deployable]:
    """Return every deployable model of a search, or of one of its trials.

    Raises:
        StudyError: as `deployables`; or there is none, or none of that trial.
    """
    models = deployables(search.study, search.trials)
    if not models:
        raise StudyError(
            f"{search.folder}: no complete, feasible trial has reported exits; search again, or for longer"
        )
    if trial is None:
        return models
    if not (of_trial := [model for model in models if model.trial == trial]):
        known = ", ".join(str(number) for number in dict.fromkeys(model.trial for model in models))
        raise StudyError(f"--trial {trial}: is no complete, feasible trial; give one of {known}")
    return of_trial


def pareto_set(models: Sequence[Deployable]) -> list[Deployable]:
    """Return the models that no other model dominates, lowest error first; of equal ones the first."""
    unique = {model.costs: model for model in reversed(models)}
    best: list[Deployable] = []
    for costs in sorted(unique):  # in this order a model comes after all that dominate it
        if not any(dominates(each.costs, costs) for each in best):
            best.append(unique[costs])
    return best


def rows(models: Sequence[Deployable]) -> list[dict[str, Any]]:
    """Return the models as JSON values, each with `pareto`: whether it is in the Pareto set."""
    best = pareto_set(models)
    return [{**asdict(model), "pareto": model in best} for model in models]


def export_exits(study: Study, trials: Sequence[TrialRecord], out: Path) -> list[Path]:
    """Write the deployable models into `exits.json`; no-op if the trial has no hook `exits`."""
    if TrialModule(study.trial).exits is None or not (found := deployables(study, trials)):
        return []
    write_text(out / FILE, json.dumps(rows(found), indent=2) + "\n")
    return [out / FILE]


def exit_lines(study: Study, trials: Sequence[TrialRecord], out: Path) -> list[tuple[str, str]]:
    """Return a line for the summary, if there are deployable models."""
    if TrialModule(study.trial).exits is None or not (found := deployables(study, trials)):
        return []
    best = len(pareto_set(found))
    return [("exits", f"{len(found)} deployable models, {best} in the Pareto set: fsd-tuner export {out}")]


def _one_latency(models: Sequence[Deployable]) -> list[Deployable]:
    """Give models with equal counts the lowest of their latencies."""
    measured: dict[tuple[float, float], list[float]] = {}
    for model in models:
        measured.setdefault((model.parameters, model.multiply_adds), []).append(model.latency_ms)
    return [
        replace(model, latency_ms=min(measured[model.parameters, model.multiply_adds])) for model in models
    ]
