"""From Ray Tune's callbacks to the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune import Callback

from tuner.failures import keep_error
from tuner.metrics import METRICS
from tuner.record import Record, State, judge
from tuner.stops import Stops


class Relay(Callback):
    """Lives in the driver; Ray pickles callbacks for its own snapshots, of which nothing is kept here.

    Args:
        record: told of everything.
        stops: why the scheduler stopped a trial, by Ray's trial id.
        errors: folder for the full tracebacks of failed trials.
    """

    def __init__(self, record: Record, stops: Stops, errors: Path) -> None:
        self._record, self._stops, self._errors = record, stops, errors

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._record.start(trial.config["number"], trial.config["point"])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._record.report(trial.config["number"], result["training_iteration"], result[METRICS])

    def on_checkpoint(
        self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any
    ) -> None:
        self._record.trials[trial.config["number"]].checkpoint = Path(checkpoint.path)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        number, study = trial.config["number"], self._record.study
        known = self._record.trials[number]
        stopped = self._stops.get(trial.trial_id, "")
        self._record.end(number, *judge(study.metric.name, known.epoch, known.value, study.full, stopped))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        self._record.start(number, trial.config["point"])  # a worker may die before its trial started
        self._record.end(number, State.FAILED, _why(trial, self._errors, number))


def _why(trial: Any, errors: Path, number: int) -> str:
    file = trial.error_file
    text = Path(file).read_text(encoding="utf-8") if file else ""
    rows = [row for row in text.splitlines() if not row.startswith("Failure #")]  # Ray's own head line
    if not rows or "worker process has died" in text:
        rows.insert(0, "the worker process died: out of memory, or killed")
    return keep_error("\n".join(rows), errors, number)
