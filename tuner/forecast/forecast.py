"""What a search will take, from what its smallest and its largest configuration took: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from tuner.forecast.expected_reports import Expected, expected
from tuner.space.space import Params
from tuner.study.study import Study

START_S = 2.4
"""Until a worker process of Ray runs, once (measured; the trial's own imports are measured each time)."""
TRIAL_S, REPORT_S = 0.05, 0.02
"""What a search itself adds to each trial and to each report of a slot: 40 trials of 1 and of 6 reports that
sleep, 2 at once on 2 cores, MLflow on (0.063 and 0.143 s a trial)."""
KEPT_STATES = 2  # of each trial, see `tuner.storage.retention`


@dataclass(frozen=True)
class Measured:
    """What one configuration took, while the other one ran beside it.

    Attributes:
        params: which.
        cost: by the trial's own `cost`.
        load_s: importing the trial function, once a process.
        start_s: from there to the first report, less what a report takes.
        report_s: between two reports, with saving.
        memory: peak of its process, bytes.
        state: of what it saves, bytes.
        device_memory: peak on its GPU as it reports it, bytes; None without.
        device_total: memory of that GPU, bytes; None where unknown.
    """

    params: Params
    cost: float
    load_s: float
    start_s: float
    report_s: float
    memory: float
    state: float
    device_memory: float | None = None
    device_total: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A figure if all trials were the smallest, at the mean of the space, and if all were the largest."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Machine:
    """One machine of the cluster.

    Attributes:
        processes: of trials that run there at once.
        memory: for them, bytes.
    """

    processes: int
    memory: float


@dataclass(frozen=True)
class Forecast:
    """What a search will take.

    Attributes:
        trials, slots: how many, and how many of them, or of stacks, at once.
        expected: their reports.
        smallest, largest: what was measured; the same one where all configurations cost the same.
        seconds: of the whole search.
        gpu_seconds: of all trials together.
        memory: at once on the machine that has the least room, bytes.
        room: for trials there, bytes.
        disk: bytes of saved states.
        gpu_share: part of a GPU that holds the largest trial, or None.
    """

    trials: int
    slots: int
    expected: Expected
    smallest: Measured
    largest: Measured
    seconds: Estimate
    gpu_seconds: Estimate
    memory: Estimate
    room: float
    disk: Estimate
    gpu_share: float | None


def forecast(
    study: Study, smallest: Measured, largest: Measured, slots: int, costs: list[float], places: list[Machine]
) -> Forecast:
    """What a study will take.

    Args:
        study: prepared.
        smallest, largest: configurations of the lowest and the highest cost, measured.
        slots: trials at once.
        costs: of configurations as the search draws them.
        places: the machines.
    Returns:
        Every figure linear in cost between the two.
    """
    slots = min(study.trials, slots)
    share = _share(fmean(costs), smallest.cost, largest.cost)
    ends, reports = (smallest, largest), expected(study)
    busy = _between(share, *(_busy_s(study, reports, each) for each in ends))
    begin = _between(share, *(START_S + each.load_s for each in ends))
    gpus = study.resources.gpu * study.resources.workers
    tight = min(places, key=lambda place: place.memory / place.processes)
    return Forecast(
        trials=study.trials, slots=slots, expected=reports, smallest=smallest, largest=largest,
        seconds=_wall(study, busy, slots, begin, reports),
        gpu_seconds=Estimate(*(gpus * each for each in (busy.low, busy.mean, busy.high))),
        memory=_between(share, *(tight.processes * each.memory for each in ends)), room=tight.memory,
        disk=_between(share, *(KEPT_STATES * study.trials * each.state for each in ends)),
        gpu_share=_gpu_share(study, ends),
    )  # fmt: skip


def _share(cost: float, low: float, high: float) -> float:
    """Where a cost lies between two: 0 at the low one, 1 at the high one, 0 where they are equal."""
    return (cost - low) / (high - low) if high > low else 0.0


def _between(share: float, low: float, high: float) -> Estimate:
    """A figure of the two ends; the larger configuration may take less."""
    return Estimate(min(low, high), low + share * (high - low), max(low, high))


def _busy_s(study: Study, reports: Expected, end: Measured) -> float:
    """Seconds that slots are taken, added up, if every trial were this one."""
    final = study.finalists
    runs = study.trials + (0 if final is None else min(final.top, study.trials) * final.seeds)
    return (reports.reports + reports.finals) * (end.report_s + REPORT_S) + runs * (end.start_s + TRIAL_S)


def _wall(study: Study, busy: Estimate, slots: int, begin: Estimate, reports: Expected) -> Estimate:
    """Seconds from the first trial's begin to the last one's end.

    The last trials leave slots empty, for at least nothing and at most (1 - 1 / slots) of the longest trial
    (the bound of list scheduling, Graham 1969, "Bounds on multiprocessing timing anomalies"); the mean takes
    half of that of a mean trial.
    """
    idle = (1 - 1 / slots) / study.trials
    longest = (
        study.trials * study.max_reports / (reports.reports + reports.finals)
    )  # trials in the unit of the mean one
    return Estimate(
        begin.low + busy.low / slots,
        begin.mean + busy.mean * (1 / slots + idle / 2),
        begin.high + busy.high * (1 / slots + idle * max(1.0, longest)),
    )


def _gpu_share(study: Study, ends: tuple[Measured, Measured]) -> float | None:
    """1 / n for the largest n trials that fit on a GPU, rounded down."""
    if not study.resources.gpu > 0:
        return None
    totals = [end.device_total for end in ends if end.device_total]
    peaks = [end.device_memory for end in ends if end.device_memory]
    if not totals or not peaks or max(peaks) > min(totals):
        return None
    return int(1e4 / (min(totals) // max(peaks))) / 1e4
