"""A search on Ray with many simulated GPUs, each trial a process that pauses: what the driver makes late."""

from __future__ import annotations

import io
import os
import resource
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from tuner.cluster.connection import _ALWAYS, _LOCAL
from tuner.journal.event import EventKind
from tuner.journal.journal import read_events
from tuner.study.study import Study
from tuner.workflows.search import search

PACE_S = 2.0


def searched(slots: int, plain: dict[str, Any], folder: Path) -> dict[str, float]:
    """One search whose epochs are pauses of `PACE_S`; no trial is stopped.

    `begin_s` is until as many trials as there are GPUs had reported once, `idle` the share of the GPUs' time
    after that in which no epoch ran, `late_ms` how much later than after a pause the median report came.
    """
    import ray

    os.environ |= _ALWAYS | _LOCAL
    ray.init("local", num_gpus=slots, include_dashboard=False, logging_level="critical", log_to_driver=False)
    changes: dict[str, Any] = {
        "settings": {"pace_s": PACE_S}, "resources": {"cpu": 0.01, "gpu": 1}, "concurrency": slots,
        "scheduler": {"name": "none"},
    }  # fmt: skip
    began, clock, start = time.process_time(), time.monotonic(), time.time()
    search(Study.model_validate(plain | changes), folder / "out", Console(file=io.StringIO()))
    taken, wall = time.process_time() - began, time.monotonic() - clock
    reports = [e for e in read_events(folder / "out" / "journal.jsonl") if e.kind is EventKind.TRIAL_REPORTED]
    first = {event.trial: event.time for event in reversed(reports)}
    begin = sorted(first.values())[slots - 1]
    gaps = [
        b.time - a.time
        for trial in first
        for a, b in pairwise(r for r in reports if r.trial == trial)
        if a.time > begin
    ]
    ray.shutdown()
    later = [event.time for event in reports if event.time > begin]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "slots": slots, "reports": len(reports), "begin_s": begin - start, "wall_s": wall, "s": taken,
        "idle": 1 - len(later) * PACE_S / (slots * (max(later) - begin)),
        "late_ms": 1e3 * (median(gaps) - PACE_S), "peak_mb": peak / 1000,
    }  # fmt: skip
