"""What of a search's trials can be deployed: every exit of every complete trial, and the best of them.

The trial's own `exits` says what there is; this module compares. Counted figures of a network are the same in
every trial that has it, its latency is not: it was measured beside other trials, which can only add to it.
Networks of equal figures therefore have one latency here, the least of theirs.
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
from tuner.space.space import with_values
from tuner.study.study import Study
from tuner.trial_module import load_exits

FILE = "exits.json"


@dataclass(frozen=True)
class Deployable:
    """One model that a trial leaves.

    Attributes:
        trial: the trial's number.
        name: what of it, in its own words.
        choice: what the trial's `export` is asked for.
        metric: whose value `error` is; lower is better.
        parameters, multiply_adds: by counting, the latter of one utterance.
        latency_ms: of one utterance, measured.
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
        """All that should be low."""
        return self.error, self.parameters, self.multiply_adds, self.latency_ms

    @property
    def finite(self) -> bool:
        """Whether all of that are numbers."""
        return all(map(math.isfinite, self.costs))

    def words(self) -> str:
        """One line for people."""
        figures = f"{self.parameters:,.0f} parameters, {self.multiply_adds:,.0f} multiply-adds"
        return f"{self.name} of trial {self.trial}: {self.metric} {self.error:.6g}, {figures}, " + (
            f"{self.latency_ms:.3g} ms"
        )


def params_of(study: Study, trial: TrialRecord) -> dict[str, Any]:
    """What the trial was given at its end."""
    return with_values(study.config(trial.params), trial.changes)


def deployables(study: Study, trials: Sequence[TrialRecord]) -> list[Deployable]:
    """Every deployable model of the complete, feasible trials, the best trial first.

    Raises:
        StudyError: the trial function has no `exits`.
        ValueError: what `exits` raises.
    """
    exits = load_exits(study.trial)
    if exits is None:
        raise StudyError(
            f"trial {study.trial}: has no `exits`, which an export needs; add the function (tuner/trial.py)"
        )
    found = [
        Deployable(trial.number, **row)
        for trial in ranked(trials, study.metric, study.constraints)
        for row in exits(params_of(study, trial), trial.metrics)
    ]
    return _one_latency([model for model in found if model.finite])


def pareto_set(models: Sequence[Deployable]) -> list[Deployable]:
    """Those that no other one is better than in one figure and at least as good in all; lowest error first.

    Of models that are equal in every figure the first stays.
    """
    unique = {model.costs: model for model in reversed(models)}
    best: list[Deployable] = []
    for costs in sorted(unique):  # whoever dominates another one comes before it
        if not any(dominates(each.costs, costs) for each in best):
            best.append(unique[costs])
    return best


def rows(models: Sequence[Deployable]) -> list[dict[str, Any]]:
    """As plain values, each with whether it is in the Pareto set."""
    best = pareto_set(models)
    return [{**asdict(model), "pareto": model in best} for model in models]


def export_exits(study: Study, trials: Sequence[TrialRecord], out: Path) -> list[Path]:
    """Write what can be deployed into `exits.json`; nothing where the trial function names no exits."""
    if load_exits(study.trial) is None or not (found := deployables(study, trials)):
        return []
    write_text(out / FILE, json.dumps(rows(found), indent=2) + "\n")
    return [out / FILE]


def exit_lines(study: Study, trials: Sequence[TrialRecord], out: Path) -> list[tuple[str, str]]:
    """One line for a summary."""
    if load_exits(study.trial) is None or not (found := deployables(study, trials)):
        return []
    best = len(pareto_set(found))
    return [("exits", f"{len(found)} deployable models, {best} in the Pareto set: fsd-tuner export {out}")]


def _one_latency(models: Sequence[Deployable]) -> list[Deployable]:
    measured: dict[tuple[float, float], list[float]] = {}
    for model in models:
        measured.setdefault((model.parameters, model.multiply_adds), []).append(model.latency_ms)
    return [
        replace(model, latency_ms=min(measured[model.parameters, model.multiply_adds])) for model in models
    ]
