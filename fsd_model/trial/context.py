"""What a caller of a trial function offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Context(Protocol):
    """What a caller offers: a folder to resume from, and a place to report to."""

    @property
    def checkpoint(self) -> Path | None:
        """A folder an earlier attempt saved, or None."""

    @property
    def cloned(self) -> bool:
        """Whether that folder is another configuration's, which this one goes on from."""

    def report(self, metrics: Mapping[str, float], save: Callable[[Path], None] | None = None) -> None:
        """Take one epoch's or fold's metrics; may not return."""


class StackContext(Context, Protocol):
    """The same for one trial of several that are trained as one."""

    def over(self, error: Exception | None) -> None:
        """The trial has ended by itself: with an error, or, None, after all its reports.

        Called once, and not where `report` raised SystemExit.
        """


More = Callable[[], Sequence[tuple[dict[str, Any], StackContext]]]
"""Params and contexts of trials that are to join; empty where there are none now."""
