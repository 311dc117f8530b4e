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
from tuner.space.space import put_in
from tuner.trial import Relieve

_ALIKE = 3
SAME = f"the first {_ALIKE} trials failed with the same error"


class Cause(StrEnum):
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

    cause: Cause
    reason: str
    trace: str = ""

    @staticmethod
    def not_finite(metric: str, value: float, epoch: int) -> Failure:
        """A metric that was reported as NaN or inf."""
        return Failure(Cause.NOT_FINITE, f"{metric} is {value} at epoch {epoch}")


class Policy:
    """How often a trial is tried again, and with what changed.

    Args:
        retries: attempts that a trial may lose to dying machines without a new report between them.
        relieve: the trial function's companion, or None.
    """

    def __init__(self, retries: int, relieve: Relieve | None) -> None:
        self._retries, self._relieve = retries, relieve
        self._ends: list[str] = []

    def changes(
        self, trial: TrialRecord, failure: Failure, params: dict[str, Any]
    ) -> Mapping[str, Any] | None:
        """What the next attempt changes, or None: the trial has failed.

        Args:
            trial: as it stands.
            failure: of its last attempt.
            params: what that attempt was given.
        """
        if failure.cause is Cause.STACK:
            return {}
        if failure.cause is Cause.LOST:
            return {} if trial.fruitless < self._retries else None
        if failure.cause is Cause.ERROR or self._relieve is None:
            return None
        if failure.cause is Cause.NOT_FINITE and trial.retries[Cause.NOT_FINITE]:
            return None
        try:
            changes = self._relieve(deepcopy(params), failure.cause.value)
            return changes if changes and _differs(params, changes) else None
        except Exception as error:  # noqa: BLE001 - somebody else's function; it costs its trial, not the search
            print(f"warning: trial {trial.number}: relieve: {lines(error)[0]}", file=sys.stderr)
            return None

    def repeated(self, trial: TrialRecord, trace: str) -> str:
        """Told of every end; why the search stops when its first three trials failed alike, else ""."""
        self._ends.append(trace)
        if len(self._ends) != _ALIKE or not trace or len(set(self._ends)) > 1:
            return ""
        return f"{SAME}: {trial.reason}"

    def begin_anew(self) -> None:
        """The next three trials are the first ones again."""
        self._ends.clear()


def _differs(params: dict[str, Any], changes: Mapping[str, Any]) -> bool:
    """Whether another attempt would be another one; what is not is no way out and would go on for ever.

    Raises:
        ValueError, TypeError: values that the journal cannot keep.
    """
    json.dumps(changes, allow_nan=False)
    return put_in(params, changes) != params


def cause_of(error: BaseException) -> Cause:
    """The cause that an exception of a trial function stands for."""
    if any(kind.__name__ == "RayError" for kind in type(error).__mro__):  # a process of the trial's died
        return Cause.LOST
    text = str(error).lower()
    if isinstance(error, StateLostError):
        return Cause.LOST
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "allocate memory" in text
    ):
        return Cause.MEMORY
    if "out of memory" in text:
        return Cause.MEMORY
    return Cause.NOT_FINITE if isinstance(error, ArithmeticError) else Cause.ERROR
