"""A forecast from end to end: which configurations are measured, and what is kept of it."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from tuner.errors import StudyError, lines
from tuner.files import write_text
from tuner.forecast.forecast import Forecast, Machine, forecast
from tuner.forecast.text import forecast_lines
from tuner.preflight import candidates, check_extremes, prepared
from tuner.space.space import Params
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.text import shown
from tuner.trial_module import Cost, load_cost

NAME = "forecast.json"
Costed = tuple[float, Params]


def forecast_study(study: Study, console: Console) -> Forecast:
    """Forecast a study without searching.

    Raises:
        StudyError: the trial has no `cost`, a configuration does not work, a trial does not fit.
        ValueError, OSError: what the trial's `prepare` raises.
    """
    from tuner.cluster.connection import cluster, slots

    if load_cost(study.trial) is None:
        raise StudyError(
            f"trial {study.trial}: has no `cost`, which a forecast needs; add it (tuner/trial.py)"
        )
    ready = prepared(study)
    check_extremes(ready, step=False)
    console.print("starting Ray ...")
    with cluster(), tempfile.TemporaryDirectory(prefix="fsd-tuner-") as folder:
        fitting = slots(ready.resources)
        return make_forecast(
            ready, min(fitting, ready.reservations or fitting), study.storage or folder, console
        )


def forecast_into(study: Study, out: Path, console: Console, slots: int) -> None:
    """Before a search: print the forecast and keep it in its folder; nothing where the trial has no `cost`.

    Args:
        study: prepared.
        out: the folder, made where it is missing.
        console: for the lines.
        slots: trials at once.
    """
    if load_cost(study.trial) is None:
        return
    made = make_forecast(study, slots, study.storage or str(out), console)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / NAME, json.dumps(asdict(made), indent=2) + "\n")


def forecast_seconds(out: Path) -> dict[str, float] | None:
    """The low, mean and high seconds that were forecast for the search in a folder; None without."""
    try:
        seconds: dict[str, Any] = json.loads((out / NAME).read_text(encoding="utf-8"))["seconds"]
        return {name: float(seconds[name]) for name in ("low", "mean", "high")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_forecast(study: Study, slots: int, storage: str, console: Console) -> Forecast:
    """Measure the configurations of the lowest and the highest cost, and print what follows.

    Args:
        study: prepared, its trial has a `cost`.
        slots: trials at once on the connected cluster.
        storage: URI of a place for states; nothing stays there.
        console: for the lines.
    Raises:
        StudyError: a configuration failed, the storage cannot be written.
    """
    from tuner.cluster.connection import machines
    from tuner.forecast.measure import measure

    ends, costs = choose(study)
    Storage(storage).probe()
    console.print(f"measuring {len(ends)} of {study.trials} trials for the forecast ...")
    measured = measure(study, [params for _, params in ends], [cost for cost, _ in ends], storage, console)
    places = _queue(machines(study.resources), slots * study.resources.workers)
    made = forecast(study, measured[0], measured[-1], slots, costs, places)
    for line in forecast_lines(study, made):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return made


def choose(study: Study) -> tuple[list[Costed], list[float]]:
    """The cheapest and the dearest configuration (one, where all cost the same), and what a random one costs.

    Of the default, the extremes and sampled points; the first of equal ones.

    Raises:
        StudyError: no cost, or none that is a positive number.
    """
    cost = load_cost(study.trial)
    if cost is None:
        raise StudyError(f"trial {study.trial}: has no `cost`")
    extremes, sampled = candidates(study)
    drawn = [(_cost(study, cost, params), params) for params in sampled]
    every = [(_cost(study, cost, params), params) for params in extremes] + drawn
    low, high = min(every, key=lambda each: each[0]), max(every, key=lambda each: each[0])
    return ([low] if low[0] == high[0] else [low, high]), [each for each, _ in drawn]


def _cost(study: Study, cost: Cost, params: Params) -> float:
    try:
        value = float(cost(study.config(params)))
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"`cost` needs a finite number from 0, got {value}")
    except Exception as error:
        where = f"the configuration [{shown(params)}]" if params else "the trial"
        raise StudyError(f"forecast: {where} does not work: {'; '.join(lines(error))}") from error
    return value


def _queue(machines: list[tuple[int, float]], processes: int) -> list[Machine]:
    return [Machine(min(fitting, processes), memory) for fitting, memory in machines]
