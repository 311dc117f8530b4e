"""The protocol of a searcher: it proposes params and learns from what trials report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tuner.journal.record import State
from tuner.space.space import Params

SearcherState = Mapping[str, Any]  # plain values


@dataclass(frozen=True)
class Suggestion:
    """One trial to run.

    Attributes:
        number: counted from 0 in the order of `ask`.
        params: one value of each active dimension.
        encoded: values of the plain distributions that were drawn; JSON keeps them exactly.
    """

    number: int
    params: Params
    encoded: dict[str, Any] = field(default_factory=dict)


class Searcher(Protocol):
    """Proposes the trials of one search.

    A searcher is a deterministic function of the study's seed and the calls that it has received. A resumed
    search gives a new searcher the old one's `state`, then replays each suggestion through `recall`, and each
    report and end; from there it proposes what an uninterrupted search would have.
    """

    @property
    def state(self) -> SearcherState:
        """What a later session needs beside the journal."""
        ...

    def ask(self) -> Suggestion | None:
        """Return the next trial; None if there is none now (there may be one later)."""
        ...

    def recall(self, suggestion: Suggestion) -> None:
        """Note a suggestion that an earlier session got from `ask`."""
        ...

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note what a trial reported after an epoch."""
        ...

    def tell(self, number: int, state: State, metrics: Mapping[str, float]) -> None:
        """Note how a trial ended, with its last report."""
        ...


# builds a searcher, from the state of an earlier session or from None
SearcherFactory = Callable[[SearcherState | None], Searcher]
