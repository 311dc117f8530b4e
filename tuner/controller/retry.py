"""What a failed attempt costs its trial, by cause."""

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

_ALIKE = 3
SAME = f"the first {_ALIKE} trials failed with the same error"


class FailureCause(StrEnum):
    """Why an attempt failed.

    MEMORY: out of memory. NOT_FINITE: a loss or metric that is NaN or inf. LOST: its process or machine died,
    or its state could not be kept. STACK: its stack failed as a whole, whoever's fault that was. ERROR: any
    other exception of the trial function.
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
        trace: a digest of where the error was raised, equal for equal tracebacks; "" without one.
    """

    cause: FailureCause
    reason: str
    trace: str = ""

    @staticmethod
    def not_finite(metric: str, value: float, epoch: int) -> Failure:
        """A metric that was reported as NaN or inf."""
        return Failure(FailureCause.NOT_FINITE, f"{metric} is {value} at epoch {epoch}")


class RetryPolicy:
    """How often a trial is tried again, and with what changed.

    Args:
        retries: attempts that a trial may lose to dying machines without a new report between them.
        retry_settings: the trial function's companion, or None.
    """

    def __init__(self, retries: int, retry_settings: RetrySettings | None) -> None:
        self._retries, self._relieve = retries, retry_settings
        self._ends: list[str] = []

    def changes(
        self, trial: TrialRecord, failure: Failure, config: dict[str, Any]
    ) -> Mapping[str, Any] | None:
        """What the next attempt changes, or None: the trial has failed.

        Args:
            trial: as it stands.
            failure: of its last attempt.
            config: what that attempt was given.
        """
        if failure.cause is FailureCause.STACK:
            return {}
        if failure.cause is FailureCause.LOST:
            return {} if trial.losses_without_report < self._retries else None
        if failure.cause is FailureCause.ERROR or self._relieve is None:
            return None
        if failure.cause is FailureCause.NOT_FINITE and trial.retries[FailureCause.NOT_FINITE]:
            return None
        try:
            changes = self._relieve(deepcopy(config), failure.cause.value)
            return changes if changes and _differs(config, changes) else None
        except Exception as error:  # noqa: BLE001 - somebody else's function; it costs its trial, not the search
            print(f"warning: trial {trial.number}: retry_settings: {lines(error)[0]}", file=sys.stderr)
            return None

    def repeated(self, trial: TrialRecord, trace: str) -> str:
        """Told of every end; why the search stops when its first three trials failed alike, else ""."""
        self._ends.append(trace)
        if len(self._ends) != _ALIKE or not trace or len(set(self._ends)) > 1:
            return ""
        return f"{SAME}: {trial.reason}"

    def reset(self) -> None:
        """The next three trials are the first ones again."""
        self._ends.clear()


def _differs(config: dict[str, Any], changes: Mapping[str, Any]) -> bool:
    """Whether another attempt would be another one; what is not is no way out and would go on for ever.

    Raises:
        ValueError, TypeError: values that the journal cannot keep.
    """
    json.dumps(changes, allow_nan=False)
    return with_values(config, changes) != config


def cause_of(error: BaseException) -> FailureCause:
    """The cause that an exception of a trial function stands for."""
    if any(kind.__name__ == "RayError" for kind in type(error).__mro__):  # a process of the trial's died
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
