"""A trial function as Ray runs it: in a reused worker process, with its states in the search's storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import StateLostError, lines
from tuner.execution.devices import set_devices
from tuner.execution.messages import CHECKPOINT, EPOCH, METRICS, VALUE, checked
from tuner.storage.backend import StorageError
from tuner.storage.retention import CheckpointRetention
from tuner.storage.storage import Storage
from tuner.study.settings import Resources
from tuner.trial import Metrics, Save
from tuner.trial_module import load_trial


@dataclass(frozen=True)
class TrialTask:
    """What every trial of a study is run with.

    Attributes:
        trial: `package.module:function`.
        metric: the study metric's name.
        resources: what a trial reserves.
        storage: URI of the storage.
        desk: where answers are taken (`tuner.execution.stacking.channel.Desk`); None where each trial has several processes.
    """

    trial: str
    metric: str
    resources: Resources
    storage: str
    desk: Any = None


class GroupError(RuntimeError):
    """One of several processes of a trial failed; the text is its traceback, `cause` a `FailureCause`."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class ReportingContext:
    """The contract's context inside a Ray worker.

    Args:
        metric: the study metric's name.
        keeper: keeps the states of the trial.
        epoch: reports of earlier attempts.
        checkpoint: folder of an earlier attempt, or None.
        cloned: whether it is another trial's.
        tell: passes a report on; raises SystemExit where the attempt ends.
    """

    def __init__(
        self, metric: str, keeper: CheckpointRetention, epoch: int, checkpoint: Path | None, cloned: bool,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:  # fmt: skip
        self._metric, self._keeper, self._epoch, self._checkpoint = metric, keeper, epoch, checkpoint
        self.cloned, self._tell = cloned, tell
        self.stopped = False

    @property
    def checkpoint(self) -> Path | None:
        return self._checkpoint

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        numbers = checked(metrics, self._metric)
        self._epoch += 1
        kept = None if save is None else self._kept(save)
        result = {VALUE: numbers[self._metric], METRICS: numbers, EPOCH: self._epoch, CHECKPOINT: kept}
        with self._stopping():
            self._tell(result)

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        try:
            yield
        except SystemExit:
            self.stopped = True
            raise

    def _kept(self, save: Save) -> str:
        try:
            return self._keeper.keep(self._epoch, save)
        except StorageError as error:
            raise StateLostError(
                f"the state of report {self._epoch} cannot be kept: {lines(error)[0]}"
            ) from error


class NonReportingContext:
    """The contract's context of a process whose reports are not counted.

    Args:
        checkpoint: folder of an earlier attempt, or None.
        cloned: whether it is another trial's.
    """

    def __init__(self, checkpoint: Path | None, cloned: bool) -> None:
        self.checkpoint, self.cloned = checkpoint, cloned

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        """Another process reports and saves."""


@contextmanager
def fetched(storage: Storage, name: str) -> Iterator[Path]:
    """A saved state as a folder.

    Raises:
        StateLostError: it cannot be read.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(storage.fetched(name))
        except OSError as error:
            raise StateLostError(f"the state {name} cannot be read: {lines(error)[0]}") from error
        yield folder


def run_attempt(
    task: TrialTask, attempt: dict[str, Any], tell: Callable[[dict[str, Any]], None], counts: bool = True,
) -> None:  # fmt: skip
    """Run one attempt in this process.

    Args:
        task: what is common to all trials.
        attempt: `tuner.controller.attempt.Attempt` as a dict.
        tell: passes a report on; raises SystemExit where the attempt ends.
        counts: whether its reports and states are the trial's; those of all processes but one are not.
    Raises:
        Exception: whatever the trial function raises.
    """
    set_devices(task.resources)
    run = load_trial(task.trial)
    storage = Storage(task.storage)
    with ExitStack() as stack:
        name, cloned = attempt["checkpoint"], attempt["cloned"]
        folder = stack.enter_context(fetched(storage, name)) if name else None
        if not counts:
            run(attempt["config"], NonReportingContext(folder, cloned))
            return
        keeper = CheckpointRetention(storage, attempt["number"], name)
        context = ReportingContext(task.metric, keeper, attempt["epoch"], folder, cloned, tell)
        try:
            run(attempt["config"], context)
        except SystemExit as quit_by_itself:
            if context.stopped:
                raise
            raise RuntimeError(f"the trial called sys.exit({quit_by_itself.code})") from None
