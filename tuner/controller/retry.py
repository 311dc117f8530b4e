"""Retry policy: what a failed attempt costs its trial, by cause."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tuner.errors import StateLostError, lines
from tuner.journal.record import LOST, STACK, TrialRecord
from tuner.space.space import with_values
from tuner.trial import RetrySettings

_FIRST = 3
SAME_ERROR = f"the first {_FIRST} trials failed with the same error"


class FailureCause(StrEnum):
    """Why an attempt failed.

    MEMORY: out of memory. NOT_FINITE: a loss or metric is NaN or inf. LOST: its process or machine died, or
    its checkpoint could not be written or read. STACK: its stack failed as a whole; which member is to
    blame is unknown. ERROR: any other exception of the trial function.
    """

    MEMORY = "memory"
    NOT_FINITE = "not-finite"
    LOST = LOST
    STACK = STACK
    ERROR = "error"


@dataclass(frozen=True)
class Failure:
    """One failed attempt.

    Attributes:
        cause: why.
        reason: one line.
        trace: digest of the traceback, see `tuner.controller.tracebacks.trace_of`; "" without one.
    """

    cause: FailureCause
    reason: str
    trace: str = ""

    @staticmethod
    def not_finite(metric: str, value: float, epoch: int) -> Failure:
        """Return the failure of a report whose metric is NaN or inf."""
        return Failure(FailureCause.NOT_FINITE, f"{metric} is {value} at epoch {epoch}")


class RetryPolicy:
    """Decides whether a failed attempt is retried, and with which settings changed.

    Args:
        retries: attempts that a trial may lose to dying processes without a new report between them.
        retry_settings: the trial function's hook of that name, or None.
    """

    def __init__(self, retries: int, retry_settings: RetrySettings | None) -> None:
        self._retries, self._retry_settings = retries, retry_settings
        self._traces: list[str] = []

    def changes(
        self, trial: TrialRecord, failure: Failure, config: dict[str, Any]
    ) -> Mapping[str, Any] | None:
        """Return the settings that the next attempt changes, or None if there is no next attempt.

        Args:
            trial: before the failure is recorded.
            failure: of its last attempt.
            config: of that attempt.
        Returns:
            Dotted keys -> values.
        """
        if failure.cause is FailureCause.STACK:
            return {}
        if failure.cause is FailureCause.LOST:
            return {} if trial.losses_without_report < self._retries else None
        if failure.cause is FailureCause.ERROR or self._retry_settings is None:
            return None
        if failure.cause is FailureCause.NOT_FINITE and trial.retries[FailureCause.NOT_FINITE]:
            return None
        try:
            changes = self._retry_settings(deepcopy(config), failure.cause.value)
            return changes if changes and _differs(config, changes) else None
        except Exception as error:  # noqa: BLE001 - an error in a hook costs the trial, not the search
            print(f"warning: trial {trial.number}: retry_settings: {lines(error)[0]}", file=sys.stderr)
            return None

    def repeated(self, trial: TrialRecord, trace: str) -> str:
        """Note a trial's end; return why the search halts if its first three trials failed alike, else ""."""
        self._traces.append(trace)
        if len(self._traces) != _FIRST or not trace or len(set(self._traces)) > 1:
            return ""
        return f"{SAME_ERROR}: {trial.reason}"

    def reset(self) -> None:
        """Forget earlier ends, so that the next three trials count as the first ones."""
        self._traces.clear()


def _differs(config: dict[str, Any], changes: Mapping[str, Any]) -> bool:
    """Return whether the changes change anything; a retry with the same settings would repeat for ever.

    Raises:
        ValueError, TypeError: a value that JSON cannot hold.
    """
    json.dumps(changes, allow_nan=False)
    return with_values(config, changes) != config


def cause_of(error: BaseException) -> FailureCause:
    """Return the cause that an exception of a trial function stands for.

    Matched by name and text: PyTorch, CUDA and Ray have several classes for one cause, and none is imported.
    """
    if any(kind.__name__ == "RayError" for kind in type(error).__mro__):  # one of the trial's processes died
        return FailureCause.LOST
    text = str(error).lower()
    if isinstance(error, StateLostError):
        return FailureCause.LOST
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "allocate memory" in text
    ):
        return FailureCause.MEMORY
    if "out of memory" in text:
        return FailureCause.MEMORY
    return FailureCause.NOT_FINITE if isinstance(error, ArithmeticError) else FailureCause.ERROR
