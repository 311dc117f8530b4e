"""Where the points of trials come from: a sampler that learns, or a fixed plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tuner.journal.record import State
from tuner.space.space import Params


@dataclass(frozen=True)
class Suggestion:
    """One trial to run.

    Attributes:
        number: counted from 0 in the order of asking.
        params: one value of each active dimension.
        encoded: what the sampler itself drew, plain values that JSON keeps exactly.
    """

    number: int
    params: Params
    encoded: dict[str, Any] = field(default_factory=dict)


class Searcher(Protocol):
    """Ask for a params, tell what became of it.

    What comes next depends on nothing but the seed and what was told: after `recall` of each suggestion of an
    earlier session, and the same reports and ends in the same order, it goes on as if never interrupted.
    """

    @property
    def memory(self) -> dict[str, Any]:
        """What a later session must be given to stand here again, besides the events: plain values."""
        ...

    def ask(self) -> Suggestion | None:
        """The next trial, or None: there is nothing to run now (a later ask may have something)."""
        ...

    def recall(self, suggestion: Suggestion) -> None:
        """A suggestion that an earlier session got from `ask`."""
        ...

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """What a trial reported after an epoch."""
        ...

    def tell(self, number: int, state: State, metrics: Mapping[str, float]) -> None:
        """How a trial ended, and all that it reported last."""
        ...


SearcherState = Mapping[str, Any]
SearcherFactory = Callable[
    [SearcherState | None], Searcher
]  # given the memory of an earlier session, or None in the first one
