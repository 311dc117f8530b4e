"""The context that a search gives to the trial function; `tuner/trial.py` defines the same protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Context(Protocol):
    """A checkpoint to resume from, and reports to the search."""

    @property
    def checkpoint(self) -> Path | None:
        """Folder that an earlier attempt saved, or None."""

    @property
    def cloned(self) -> bool:
        """Whether another trial, with other params, saved that folder."""

    def report(self, metrics: Mapping[str, float], save: Callable[[Path], None] | None = None) -> None:
        """Report the metrics of an epoch or fold; may not return."""


class StackContext(Context, Protocol):
    """The context of one trial of a stack."""

    def over(self, error: Exception | None) -> None:
        """Say that the trial has ended by itself: with an error, or with None after its last report.

        Called once, and not after `report` raised SystemExit.
        """


More = Callable[[], Sequence[tuple[dict[str, Any], StackContext]]]
"""Returns config and context of each trial that joins; empty if there is none now."""
