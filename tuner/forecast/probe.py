"""A trial function timed from within its process: seconds, memory, size of its checkpoint."""

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
from tuner.trial_module import TrialModule

DEVICE_MEMORY = "memory/peak_bytes"  # a metric, in bytes, that a trial on a GPU may report


class ProbeDone(SystemExit):
    """Ends the trial function, as a search does."""


@dataclass(frozen=True)
class ProbeTiming:
    """Measurements of one process.

    Attributes:
        load_s: import of the trial function, seconds.
        seconds: time of each report since the one before, the first since the start of the trial function.
        memory: peak of the process, bytes.
        checkpoint: size of the last checkpoint, bytes.
        device_memory: peak on the GPU as reported by the trial, bytes, or None.
        device_total: memory of the GPU, bytes, or None.
    """

    load_s: float
    seconds: list[float]
    memory: float
    checkpoint: float
    device_memory: float | None
    device_total: float | None


class MeasuringContext:
    """Context that times reports and weighs checkpoints.

    Args:
        task: its metric is used.
        storage: where checkpoints are written to be weighed.
        name: name of the checkpoint there.
        enough: called at every report; returns whether to end.
    """

    checkpoint: Path | None = None
    cloned = False

    def __init__(self, task: TrialTask, storage: Storage, name: str, enough: Callable[[], bool]) -> None:
        self._task, self._storage, self._name, self._enough = task, storage, name, enough
        self.seconds: list[float] = []
        self.size, self.device_memory = 0.0, 0.0
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
        self.size = float(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))


def run_probe(
    task: TrialTask, config: dict[str, Any], full: int, name: str, enough: Callable[[], bool]
) -> ProbeTiming | str:
    """Run the trial function until there are enough reports.

    Args:
        task: what all trials have in common.
        config: for the trial function.
        full: reports after which it ends in any case.
        name: name of its checkpoint in the storage.
        enough: called at every report; returns whether to end.
    Returns:
        The measurements, or why the trial failed.
    """
    try:
        return _run(task, config, full, name, enough)
    except SystemExit as error:
        return f"the trial called sys.exit({error.code})"
    except Exception as error:  # noqa: BLE001 - from the trial function; reported as one line
        return f"{type(error).__name__}: {'; '.join(lines(error))}"


def _run(
    task: TrialTask, config: dict[str, Any], full: int, name: str, enough: Callable[[], bool]
) -> ProbeTiming | str:
    set_devices(task.resources)
    began = time.perf_counter()
    function = TrialModule(task.trial).function
    load_s = time.perf_counter() - began
    context = MeasuringContext(
        task, Storage(task.storage), name, lambda: enough() or len(context.seconds) >= full
    )
    try:
        function(config, context)
        return f"the trial ended after {len(context.seconds)} of {full} reports"
    except ProbeDone:
        total = _device_total() if task.resources.gpu > 0 else None
        peak = context.device_memory if task.resources.gpu > 0 else None
        return ProbeTiming(load_s, context.seconds, _peak_memory(), context.size, peak or None, total)


def _peak_memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)  # Linux counts in KiB


def _device_total() -> float | None:
    """Return the memory of the first GPU of this process, bytes; None if the driver does not say."""
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "-i", device]
    try:
        output = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
        return float(output.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
