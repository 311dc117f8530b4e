"""One configuration with a watch: what its process takes, measured from within."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import lines
from tuner.execution.devices import set_devices
from tuner.execution.messages import check_metrics
from tuner.execution.worker import TrialTask
from tuner.storage.storage import Storage
from tuner.trial import Metrics, Save
from tuner.trial_module import load_trial

DEVICE_MEMORY = "memory/peak_bytes"  # a metric, in bytes, that a trial on a GPU may report


class ProbeDone(SystemExit):
    """Ends a trial as the search does."""


@dataclass(frozen=True)
class ProbeTiming:
    """What a process measured of itself; `seconds` between reports, the first since the trial's begin."""

    load_s: float
    seconds: list[float]
    memory: float
    state: float
    device_memory: float | None
    device_total: float | None


class MeasuringContext:
    """The contract's context, with a watch.

    Args:
        task: its metric is used.
        storage: where states are saved for their size.
        name: of the state there.
        enough: told of every report; whether that is enough.
    """

    checkpoint: Path | None = None
    cloned = False

    def __init__(self, task: TrialTask, storage: Storage, name: str, enough: Callable[[], bool]) -> None:
        self._task, self._storage, self._name, self._enough = task, storage, name, enough
        self.seconds: list[float] = []
        self.state, self.device_memory = 0.0, 0.0
        self._since = time.perf_counter()

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        numbers = check_metrics(metrics, self._task.metric)
        if not math.isfinite(value := numbers[self._task.metric]):
            raise ArithmeticError(f"{self._task.metric} is {value} at report {len(self.seconds) + 1}")
        if save is not None:
            self._storage.put(self._name, lambda folder: self._weigh(folder, save))
        self.device_memory = max(self.device_memory, numbers.get(DEVICE_MEMORY, 0.0))
        self.seconds.append(time.perf_counter() - self._since)
        if self._enough():
            raise ProbeDone
        self._since = time.perf_counter()

    def _weigh(self, folder: Path, save: Save) -> None:
        save(folder)
        self.state = float(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))


def run_measured(
    task: TrialTask, config: dict[str, Any], full: int, name: str, enough: Callable[[], bool]
) -> ProbeTiming | str:
    """ProbeRun the trial function until there are enough reports.

    Args:
        task: what is common to all trials.
        config: of the trial function.
        full: reports after which it ends in any case.
        name: of its state in the storage.
        enough: told of every report; whether that is enough.
    Returns:
        What it took, or why it failed.
    """
    try:
        return _run(task, config, full, name, enough)
    except SystemExit as quit_by_itself:
        return f"the trial called sys.exit({quit_by_itself.code})"
    except Exception as error:  # noqa: BLE001 - of whatever kind: it is told as one line
        return f"{type(error).__name__}: {'; '.join(lines(error))}"


def _run(
    task: TrialTask, config: dict[str, Any], full: int, name: str, enough: Callable[[], bool]
) -> ProbeTiming | str:
    set_devices(task.resources)
    began = time.perf_counter()
    function = load_trial(task.trial)
    load_s = time.perf_counter() - began
    context = MeasuringContext(
        task, Storage(task.storage), name, lambda: enough() or len(context.seconds) >= full
    )
    try:
        function(config, context)
        return f"ended by itself after {len(context.seconds)} of {full} reports"
    except ProbeDone:
        total = _device_total() if task.resources.gpu > 0 else None
        peak = context.device_memory if task.resources.gpu > 0 else None
        return ProbeTiming(load_s, context.seconds, _peak_memory(), context.state, peak or None, total)


def _peak_memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)  # Linux counts in KiB


def _device_total() -> float | None:
    """SearcherState of the first GPU that this process was given, bytes; None where the driver does not say."""
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "-i", device]
    try:
        told = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
        return float(told.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
