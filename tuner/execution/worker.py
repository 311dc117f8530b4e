"""Runs one attempt of a trial function in this process: devices, checkpoint, context, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import StateLostError, lines
from tuner.execution.devices import set_devices
from tuner.execution.messages import CHECKPOINT, EPOCH, METRICS, check_metrics
from tuner.storage.backend import StorageError
from tuner.storage.retention import CheckpointRetention
from tuner.storage.storage import Storage
from tuner.study.settings import Resources
from tuner.trial import Metrics, Save
from tuner.trial_module import TrialModule

Report = Callable[[dict[str, Any]], None]  # raises SystemExit where the attempt ends


@dataclass(frozen=True)
class TrialTask:
    """What all attempts of a study have in common.

    Attributes:
        trial: `package.module:function`.
        metric: name of the study's metric.
        resources: what a trial reserves.
        storage: URI of the storage.
        mailbox: name of the actor that answers stacks; None without stacks.
    """

    trial: str
    metric: str
    resources: Resources
    storage: str
    mailbox: str | None = None


class GroupError(RuntimeError):
    """One of several processes of a trial failed; the text is its traceback, `cause` a `FailureCause`."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class ReportingContext:
    """The context of an attempt whose reports count.

    Args:
        metric: name of the study's metric.
        retention: saves and removes checkpoints of the trial.
        epoch: number of the report that the attempt resumes from, 0 for a start.
        checkpoint: folder to resume from, or None.
        cloned: the folder was saved by another trial.
        send: passes a report on; raises SystemExit where the attempt ends.

    Attributes:
        stopped: a report has raised SystemExit.
    """

    def __init__(
        self, metric: str, retention: CheckpointRetention, epoch: int, checkpoint: Path | None, cloned: bool,
        send: Report,
    ) -> None:  # fmt: skip
        self._metric, self._retention, self._epoch, self._checkpoint = metric, retention, epoch, checkpoint
        self.cloned, self._send = cloned, send
        self.stopped = False

    @property
    def checkpoint(self) -> Path | None:
        return self._checkpoint

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        numbers = check_metrics(metrics, self._metric)
        self._epoch += 1
        name = None if save is None else self._saved(save)
        try:
            self._send({METRICS: numbers, EPOCH: self._epoch, CHECKPOINT: name})
        except SystemExit:
            self.stopped = True
            raise

    def _saved(self, save: Save) -> str:
        try:
            return self._retention.keep(self._epoch, save)
        except StorageError as error:
            raise StateLostError(
                f"the checkpoint of report {self._epoch} cannot be saved: {lines(error)[0]}"
            ) from error


class NonReportingContext:
    """The context of a further process of a trial: the first one reports and saves.

    Args:
        checkpoint: folder to resume from, or None.
        cloned: the folder was saved by another trial.
    """

    def __init__(self, checkpoint: Path | None, cloned: bool) -> None:
        self.checkpoint, self.cloned = checkpoint, cloned

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        """Do nothing."""


@contextmanager
def fetched(storage: Storage, name: str) -> Iterator[Path]:
    """Yield a checkpoint as a local folder.

    Raises:
        StateLostError: it cannot be read.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(storage.fetched(name))
        except OSError as error:
            raise StateLostError(f"the checkpoint {name} cannot be read: {lines(error)[0]}") from error
        yield folder


def run_attempt(task: TrialTask, attempt: dict[str, Any], send: Report, reports: bool = True) -> None:
    """Run one attempt in this process.

    Args:
        task: what all attempts have in common.
        attempt: a `tuner.controller.attempts.Attempt` as a dict.
        send: passes a report on; raises SystemExit where the attempt ends.
        reports: False for all processes of a trial but the first.
    Raises:
        SystemExit: the attempt was ended by a report.
        Exception: whatever the trial function raises.
    """
    set_devices(task.resources)
    run = TrialModule(task.trial).function
    storage = Storage(task.storage)
    with ExitStack() as stack:
        name, cloned = attempt["checkpoint"], attempt["cloned"]
        folder = stack.enter_context(fetched(storage, name)) if name else None
        if not reports:
            run(attempt["config"], NonReportingContext(folder, cloned))
            return
        retention = CheckpointRetention(storage, attempt["number"], name)
        context = ReportingContext(task.metric, retention, attempt["epoch"], folder, cloned, send)
        try:
            run(attempt["config"], context)
        except SystemExit as own_exit:
            if context.stopped:
                raise
            raise RuntimeError(f"the trial called sys.exit({own_exit.code})") from None
