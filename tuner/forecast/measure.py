"""Configurations run for two reports each, at once if they fit, each in its own process on the cluster."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayError
from rich.console import Console

from tuner.errors import StudyError
from tuner.execution.worker import TrialTask
from tuner.forecast.forecast import Measured
from tuner.forecast.probe import ProbeTiming, run_measured
from tuner.space.space import Params
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.text import shown

REPORTS = 2
PROGRESS_S = 15.0
_DEATH_S = 10.0
_WAY_OUT = "mend it, or search without measuring first (--no-forecast)"


class ReportCounter:
    """Who has made how many reports; an actor, so that one is a load for the other until both have enough."""

    def __init__(self, wanted: int) -> None:
        self._wanted, self._counts = wanted, dict[int, int]()

    def begin(self, place: int) -> None:
        """A configuration runs."""
        self._counts[place] = 0

    def report(self, place: int) -> bool:
        """One report more; whether all that run have enough."""
        self._counts[place] += 1
        return min(self._counts.values()) >= self._wanted

    def leave(self, place: int) -> None:
        """It runs no longer."""
        self._counts.pop(place, None)

    def counts(self) -> dict[int, int]:
        """Reports of those that run."""
        return self._counts


def measure(
    study: Study, points: list[Params], costs: list[float], storage: str, console: Console
) -> list[Measured]:
    """ProbeRun each configuration until it has reported twice; waits as long as that takes.

    Args:
        study: prepared; a trial fits on the connected cluster.
        points: the configurations.
        costs: of each.
        storage: URI of a place for states; nothing stays there.
        console: for a sign of life.
    Raises:
        StudyError: a configuration failed, with it and the reason.
    """
    task = TrialTask(study.trial, study.metric.name, study.resources, storage)
    name, wanted = f"forecast-{uuid4().hex[:8]}", min(REPORTS, study.max_reports)
    board = ray.remote(ReportCounter).options(num_cpus=0).remote(wanted)
    cpu, gpu = task.resources.cpu, task.resources.gpu
    # an actor has a process of its own, whose peak memory is then the trial's
    process = ray.remote(ProbeActor).options(num_cpus=cpu, num_gpus=gpu, max_restarts=0)
    runs = {}
    for place, params in enumerate(points):
        actor: Any = process.remote()
        told = actor.run.remote(
            task, study.config(params), study.max_reports, f"{name}/{place}", place, board
        )
        runs[told] = ProbeRun(params, actor)
    try:
        laps = _gather(runs, board, wanted, console)
    finally:
        for each in runs.values():
            ray.kill(each.actor)
        ray.kill(board)  # type: ignore[arg-type]
        ray.wait(list(runs), num_returns=len(runs), timeout=_DEATH_S)  # one may be writing its state still
        Storage(storage).remove(name)
    return [_measured(*each) for each in zip(points, costs, laps, strict=True)]


class ProbeActor:
    """Runs one configuration, in the actor's process."""

    def run(
        self, task: TrialTask, config: dict[str, Any], full: int, name: str, place: int, board: Any
    ) -> ProbeTiming | str:
        """What it took, or why it failed; arguments as for `run_measured`, and its place on the board."""
        ray.get(board.begin.remote(place))
        try:
            return run_measured(task, config, full, name, lambda: bool(ray.get(board.report.remote(place))))
        finally:
            ray.get(board.leave.remote(place))


@dataclass(frozen=True)
class ProbeRun:
    """A configuration and the actor that runs it."""

    params: Params
    actor: Any


def _gather(runs: dict[Any, ProbeRun], board: Any, wanted: int, console: Console) -> list[ProbeTiming]:
    """What all of them measured; raises as soon as one failed. Who is done gives its resources back."""
    found: dict[Any, ProbeTiming] = {}
    pending, began = list(runs), time.monotonic()
    while pending:
        done, pending = ray.wait(pending, timeout=PROGRESS_S)
        for each in done:
            found[each] = _laps(each, runs[each].params)
            ray.kill(runs[each].actor)
        if not done:
            counts = ray.get(board.counts.remote()).values()
            told = ", ".join(f"{count} of {wanted} reports" for count in counts) or "waiting for resources"
            console.print(f"measuring for the forecast: {told} after {time.monotonic() - began:.0f} s")
    return [found[each] for each in runs]


def _laps(task: Any, params: Params) -> ProbeTiming:
    try:
        result = ray.get(task)
    except RayError:
        result = "its process died: out of memory, or killed"
    if isinstance(result, ProbeTiming):
        return result
    where = f"the configuration [{shown(params)}]" if params else "the trial"
    raise StudyError(f"forecast: {where} does not work: {result}; {_WAY_OUT}")


def _measured(params: Params, cost: float, laps: ProbeTiming) -> Measured:
    first, *others = laps.seconds
    report_s = median(others) if others else first
    return Measured(
        params, cost, laps.load_s, max(0.0, first - report_s), report_s, laps.memory, laps.state,
        laps.device_memory, laps.device_total,
    )  # fmt: skip
