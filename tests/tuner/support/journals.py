"""Journals of searches that nobody ran, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.journal.journal import Journal
from tuner.journal.record import State, StudyRecord
from tuner.study.study import Study


@dataclass
class Run:
    """One trial: its params, its reports, how it ends (None: it runs), why, and the seconds of a report."""

    params: dict[str, Any]
    values: Sequence[float] = ()
    state: State | None = State.COMPLETE
    reason: str = ""
    seconds: float = 2.0
    metrics: dict[str, float] = field(default_factory=dict)
    retries: Sequence[str] = ()


def write_journal(
    folder: Path, study: Study, runs: Sequence[Run], end: State | None = State.COMPLETE
) -> Path:
    """A search's folder with nothing but its journal; `end` None leaves it without an end."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "journal.jsonl")
    record = StudyRecord(study.metric.name, [journal])
    record.start_study("a1", study.to_dict())
    for number, run in enumerate(runs):
        record.start(number, run.params)
        for epoch, value in enumerate(run.values, start=1):
            record.report(number, epoch, {study.metric.name: value, **run.metrics}, None, run.seconds)
        for cause in run.retries:
            record.retry(number, cause, f"lost by {cause}", {}, 1.0)
        if run.state is not None:
            record.end(number, run.state, run.reason)
    if end is not None:
        record.end_study(end)
    journal.close()
    return folder
