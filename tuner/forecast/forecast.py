"""Time, memory and disk of a search from its smallest and its largest configuration: arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from tuner.forecast.expected_reports import ExpectedReports, expected_reports
from tuner.space.space import Params
from tuner.study.study import Study

START_S = 2.4
"""Start of a Ray worker process, once (measured; the imports of the trial are measured each time)."""
TRIAL_S, REPORT_S = 0.05, 0.02
"""Overhead of a search per trial and per report of a slot: 40 trials of 1 and of 6 reports that sleep, 2 at
once on 2 cores, with MLflow (0.063 and 0.143 s per trial)."""
KEPT_CHECKPOINTS = 2  # per trial, see `tuner.storage.retention`


@dataclass(frozen=True)
class MeasuredTrial:
    """Measurements of one configuration while the other one runs beside it.

    Attributes:
        params: the configuration.
        cost: from the trial's `cost` hook.
        load_s: import of the trial function, once per process, seconds.
        start_s: from there to the first report, minus the time of a report, seconds.
        report_s: between two reports, saving included, seconds.
        memory: peak of its process, bytes.
        checkpoint: size of what it saves, bytes.
        device_memory: peak on its GPU as reported by the trial, bytes, or None.
        device_total: memory of that GPU, bytes; None if unknown.
    """

    params: Params
    cost: float
    load_s: float
    start_s: float
    report_s: float
    memory: float
    checkpoint: float
    device_memory: float | None = None
    device_total: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A quantity if all trials were the smallest configuration, the mean of the space, or the largest."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Machine:
    """One machine of the cluster.

    Attributes:
        processes: processes of trials that run there at once.
        memory: memory for them, bytes.
    """

    processes: int
    memory: float


@dataclass(frozen=True)
class Forecast:
    """Forecast of a search.

    Attributes:
        trials: number of trials.
        slots: number of trials, or of stacks of them, at once.
        expected: number of reports.
        smallest, largest: the measured trials; the same one if all configurations cost the same.
        seconds: of the whole search.
        gpu_seconds: of all trials together.
        memory: in use at once on the machine with the least memory per process, bytes.
        room: memory for trials there, bytes.
        disk: checkpoints, bytes.
        gpu_share: part of a GPU that holds the largest trial, or None.
    """

    trials: int
    slots: int
    expected: ExpectedReports
    smallest: MeasuredTrial
    largest: MeasuredTrial
    seconds: Estimate
    gpu_seconds: Estimate
    memory: Estimate
    room: float
    disk: Estimate
    gpu_share: float | None


def forecast(
    study: Study, smallest: MeasuredTrial, largest: MeasuredTrial, slots: int, costs: list[float],
    machines: list[Machine],
) -> Forecast:  # fmt: skip
    """Forecast a search; every quantity is linear in cost between the two measured configurations.

    Args:
        study: prepared.
        smallest, largest: the configurations of the lowest and the highest cost.
        slots: trials at once.
        costs: costs of configurations as the search samples them.
        machines: the machines of the cluster.
    """
    slots = min(study.trials, slots)
    share = _share(fmean(costs), smallest.cost, largest.cost)
    ends, reports = (smallest, largest), expected_reports(study)
    busy = _between(share, *(_busy_s(study, reports, each) for each in ends))
    begin = _between(share, *(START_S + each.load_s for each in ends))
    gpus = study.resources.gpu * study.resources.workers
    tight = min(machines, key=lambda machine: machine.memory / machine.processes)
    return Forecast(
        trials=study.trials, slots=slots, expected=reports, smallest=smallest, largest=largest,
        seconds=_wall(study, busy, slots, begin, reports),
        gpu_seconds=Estimate(*(gpus * each for each in (busy.low, busy.mean, busy.high))),
        memory=_between(share, *(tight.processes * each.memory for each in ends)), room=tight.memory,
        disk=_between(share, *(KEPT_CHECKPOINTS * study.trials * each.checkpoint for each in ends)),
        gpu_share=_gpu_share(study, ends),
    )  # fmt: skip


def _share(cost: float, low: float, high: float) -> float:
    """Return where a cost lies between two: 0 at the low one, 1 at the high one, 0 if they are equal."""
    return (cost - low) / (high - low) if high > low else 0.0


def _between(share: float, low: float, high: float) -> Estimate:
    """Interpolate between the two ends; the larger configuration may take less."""
    return Estimate(min(low, high), low + share * (high - low), max(low, high))


def _busy_s(study: Study, reports: ExpectedReports, end: MeasuredTrial) -> float:
    """Return the seconds that all slots are busy, added up, if every trial were this one."""
    final = study.finalists
    runs = study.trials + (0 if final is None else min(final.top, study.trials) * final.seeds)
    return (reports.reports + reports.finals) * (end.report_s + REPORT_S) + runs * (end.start_s + TRIAL_S)


def _wall(study: Study, busy: Estimate, slots: int, begin: Estimate, reports: ExpectedReports) -> Estimate:
    """Return the seconds from the start of the first trial to the end of the last one.

    At the end slots are idle for at least 0 and at most (1 - 1 / slots) of the longest trial; the mean
    assumes half of that for a mean trial.

    Source: bound of list scheduling, Graham 1969, "Bounds on multiprocessing timing anomalies".
    """
    idle = (1 - 1 / slots) / study.trials
    # in units of a mean trial
    longest = study.trials * study.max_reports / (reports.reports + reports.finals)
    return Estimate(
        begin.low + busy.low / slots,
        begin.mean + busy.mean * (1 / slots + idle / 2),
        begin.high + busy.high * (1 / slots + idle * max(1.0, longest)),
    )


def _gpu_share(study: Study, ends: tuple[MeasuredTrial, MeasuredTrial]) -> float | None:
    """Return 1 / n, rounded down, for the number n of largest trials that fit on a GPU; None if unknown."""
    if not study.resources.gpu > 0:
        return None
    totals = [end.device_total for end in ends if end.device_total]
    peaks = [end.device_memory for end in ends if end.device_memory]
    if not totals or not peaks or max(peaks) > min(totals):
        return None
    return int(1e4 / (min(totals) // max(peaks))) / 1e4
