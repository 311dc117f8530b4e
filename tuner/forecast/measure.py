"""Measure configurations for two reports each, at once if they fit, each in its own process on the cluster.

Actors instead of a `tune.Tuner`: each configuration keeps running, as a load for the other, until both have
two reports, and a fresh process has only the memory of its trial. Ray Tune would stop the faster one first.
"""

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
from tuner.forecast.forecast import MeasuredTrial
from tuner.forecast.probe import ProbeTiming, run_probe
from tuner.space.space import Params
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.text import duration, params_text

REPORTS = 2
PROGRESS_S = 15.0
_DEATH_S = 10.0
_WAY_OUT = "correct it, or search without a forecast (--no-forecast)"


class ReportCounter:
    """Actor that counts the reports of running configurations, so that none stops before all have enough."""

    def __init__(self, needed: int) -> None:
        self._needed, self._counts = needed, dict[int, int]()

    def begin(self, index: int) -> None:
        """Add a configuration that starts to run."""
        self._counts[index] = 0

    def report(self, index: int) -> bool:
        """Count a report; return whether all running configurations have enough."""
        self._counts[index] += 1
        return min(self._counts.values()) >= self._needed

    def leave(self, index: int) -> None:
        """Remove a configuration that has ended."""
        self._counts.pop(index, None)

    def counts(self) -> dict[int, int]:
        """Return the number of reports of each running configuration."""
        return self._counts


def measure(
    study: Study, candidates: list[Params], costs: list[float], storage: str, console: Console
) -> list[MeasuredTrial]:
    """Run each configuration until all have reported twice, however long that takes.

    Args:
        study: prepared; a trial fits on the connected cluster.
        candidates: the configurations.
        costs: cost of each.
        storage: URI for checkpoints; nothing stays there.
        console: for progress.
    Raises:
        StudyError: a configuration failed; names it and the reason.
    """
    task = TrialTask(study.trial, study.metric.name, study.resources, storage)
    name, needed = f"forecast-{uuid4().hex[:8]}", min(REPORTS, study.max_reports)
    counter = ray.remote(ReportCounter).options(num_cpus=0).remote(needed)
    cpu, gpu = task.resources.cpu, task.resources.gpu
    # an actor has its own process, whose peak memory is therefore the trial's
    probe = ray.remote(ProbeActor).options(num_cpus=cpu, num_gpus=gpu, max_restarts=0)
    runs = {}
    for index, params in enumerate(candidates):
        actor: Any = probe.remote()
        future = actor.run.remote(
            task, study.config(params), study.max_reports, f"{name}/{index}", index, counter
        )
        runs[future] = ProbeRun(params, actor)
    try:
        timings = _gather(runs, counter, needed, console)
    finally:
        for each in runs.values():
            ray.kill(each.actor)
        ray.kill(counter)  # type: ignore[arg-type]
        ray.wait(
            list(runs), num_returns=len(runs), timeout=_DEATH_S
        )  # one may still be writing its checkpoint
        Storage(storage).remove(name)
    return [_measured(*each) for each in zip(candidates, costs, timings, strict=True)]


class ProbeActor:
    """Runs one configuration, in the actor's process."""

    def run(
        self, task: TrialTask, config: dict[str, Any], full: int, name: str, index: int, counter: Any
    ) -> ProbeTiming | str:
        """Return the measurements, or why the trial failed; arguments as `run_probe`, and its index."""
        ray.get(counter.begin.remote(index))
        try:
            return run_probe(task, config, full, name, lambda: bool(ray.get(counter.report.remote(index))))
        finally:
            ray.get(counter.leave.remote(index))


@dataclass(frozen=True)
class ProbeRun:
    """A configuration and the actor that runs it."""

    params: Params
    actor: Any


def _gather(runs: dict[Any, ProbeRun], counter: Any, needed: int, console: Console) -> list[ProbeTiming]:
    """Return all measurements; raise as soon as one fails. A finished configuration frees its resources."""
    timings: dict[Any, ProbeTiming] = {}
    pending, began = list(runs), time.monotonic()
    while pending:
        done, pending = ray.wait(pending, timeout=PROGRESS_S)
        for each in done:
            timings[each] = _timing(each, runs[each].params)
            ray.kill(runs[each].actor)
        if not done:
            counts = ray.get(counter.counts.remote()).values()
            progress = (
                ", ".join(f"{count} of {needed} reports" for count in counts) or "waiting for resources"
            )
            console.print(
                f"measuring for the forecast: {progress} after {duration(time.monotonic() - began)}"
            )
    return [timings[each] for each in runs]


def _timing(future: Any, params: Params) -> ProbeTiming:
    try:
        result = ray.get(future)
    except RayError:
        result = "its process died: out of memory, or killed"
    if isinstance(result, ProbeTiming):
        return result
    where = f"the configuration [{params_text(params)}]" if params else "the trial"
    raise StudyError(f"forecast: {where} does not work: {result}; {_WAY_OUT}")


def _measured(params: Params, cost: float, timing: ProbeTiming) -> MeasuredTrial:
    first, *others = timing.seconds
    report_s = median(others) if others else first
    return MeasuredTrial(
        params, cost, timing.load_s, max(0.0, first - report_s), report_s, timing.memory, timing.checkpoint,
        timing.device_memory, timing.device_total,
    )  # fmt: skip
