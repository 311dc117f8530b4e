"""A forecast from end to end: choose two configurations, measure them, print and keep the result."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from tuner.errors import StudyError, lines
from tuner.execution.preflight import candidates, check_extremes, prepared
from tuner.files import write_text
from tuner.forecast.forecast import Forecast, Machine, forecast
from tuner.forecast.text import forecast_lines
from tuner.space.space import Params
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.text import params_text
from tuner.trial_module import Cost, TrialModule

NAME = "forecast.json"
CostedParams = tuple[float, Params]


def forecast_study(study: Study, console: Console) -> Forecast:
    """Forecast a study without searching.

    Raises:
        StudyError: the trial has no `cost`, a configuration does not work, a trial does not fit.
        ValueError, OSError: what the trial's `prepare` raises.
    """
    from tuner.cluster.connection import cluster, slots

    TrialModule(study.trial).require("cost", "a forecast needs")
    ready = prepared(study)
    check_extremes(ready, step=False)
    console.print("starting Ray ...")
    with cluster(), tempfile.TemporaryDirectory(prefix="fsd-tuner-") as folder:
        fitting = slots(ready.resources)
        return make_forecast(
            ready, min(fitting, ready.reservations or fitting), study.storage or folder, console
        )


def forecast_into(study: Study, out: Path, console: Console, slots: int) -> None:
    """Print the forecast of a search and write it into the study folder; no-op if the trial has no `cost`.

    Args:
        study: prepared.
        out: study folder, created if missing.
        console: for the lines.
        slots: trials at once.
    """
    if TrialModule(study.trial).cost is None:
        return
    result = make_forecast(study, slots, study.storage or str(out), console)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / NAME, json.dumps(asdict(result), indent=2) + "\n")


def forecast_seconds(out: Path) -> dict[str, float] | None:
    """Return the low, mean and high seconds that were forecast for a search; None without a forecast."""
    try:
        seconds: dict[str, Any] = json.loads((out / NAME).read_text(encoding="utf-8"))["seconds"]
        return {name: float(seconds[name]) for name in ("low", "mean", "high")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_forecast(study: Study, slots: int, storage: str, console: Console) -> Forecast:
    """Measure the configurations of the lowest and the highest cost, and print the forecast.

    Args:
        study: prepared, its trial has a `cost`.
        slots: trials at once on the connected cluster.
        storage: URI for checkpoints; nothing stays there.
        console: for the lines.
    Raises:
        StudyError: a configuration failed, or the storage is not writable.
    """
    from tuner.cluster.connection import machines as cluster_machines
    from tuner.forecast.measure import measure

    ends, costs = smallest_and_largest(study)
    Storage(storage).probe()
    console.print(f"measuring {len(ends)} of {study.trials} trials for the forecast ...")
    measured = measure(study, [params for _, params in ends], [cost for cost, _ in ends], storage, console)
    processes = slots * study.resources.workers
    machines = [
        Machine(min(fitting, processes), memory) for fitting, memory in cluster_machines(study.resources)
    ]
    result = forecast(study, measured[0], measured[-1], slots, costs, machines)
    for line in forecast_lines(study, result):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return result


def smallest_and_largest(study: Study) -> tuple[list[CostedParams], list[float]]:
    """Return the cheapest and dearest configuration (one if all cost the same), and the costs of random ones.

    Candidates are the default, the extremes and sampled configurations; the first of equal ones is taken.

    Raises:
        StudyError: no `cost`, or one that returns no finite number >= 0.
    """
    cost = TrialModule(study.trial).require("cost", "a forecast needs")
    extremes, sampled = candidates(study)
    random = [(_cost(study, cost, params), params) for params in sampled]
    every = [(_cost(study, cost, params), params) for params in extremes] + random
    low, high = min(every, key=lambda each: each[0]), max(every, key=lambda each: each[0])
    return ([low] if low[0] == high[0] else [low, high]), [each for each, _ in random]


def _cost(study: Study, cost: Cost, params: Params) -> float:
    try:
        value = float(cost(study.config(params)))
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"`cost` must return a finite number >= 0, got {value}")
    except Exception as error:
        where = f"the configuration [{params_text(params)}]" if params else "the trial"
        raise StudyError(f"forecast: {where} does not work: {'; '.join(lines(error))}") from error
    return value
