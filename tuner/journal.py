"""The search's own record on disk: one JSON object a line, safe against a crash of the next second."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuner.definition import Study
from tuner.record import State, TrialRecord


class Journal:
    """Appends every event and flushes it to the disk.

    Args:
        path: a new file.
    Raises:
        FileExistsError: the file is there, so the folder holds a study.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8")

    def study_started(self, study: Study) -> None:
        self._write("study_started", name=study.name, trials=study.trials, epochs=study.epochs)

    def trial_started(self, trial: TrialRecord) -> None:
        self._write("trial_started", trial=trial.number, params=trial.point)

    def trial_reported(self, trial: TrialRecord) -> None:
        self._write("trial_reported", trial=trial.number, epoch=trial.epoch, metrics=trial.metrics)

    def trial_ended(self, trial: TrialRecord) -> None:
        self._write(
            "trial_ended", trial=trial.number, state=trial.state, reason=trial.reason, epoch=trial.epoch
        )

    def study_ended(self, trials: Sequence[TrialRecord], state: State) -> None:
        self._write("study_ended", state=state, trials=len(trials))
        self._file.close()

    def _write(self, event: str, **fields: Any) -> None:
        entry = {"event": event, "time": datetime.now(UTC).isoformat(), **fields}
        try:
            self._file.write(json.dumps(_plain(entry), allow_nan=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._file.name) from error


def _plain(node: Any) -> Any:
    """JSON has no NaN or inf: they become the texts "nan", "inf", "-inf"."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, float) and not math.isfinite(node):
        return str(node)
    return node
