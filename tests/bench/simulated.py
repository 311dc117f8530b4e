"""A search without machines: conductor, sampler, rule and record of a real one, trials that only report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.controller.attempt import Attempt
from tuner.controller.controller import Conductor
from tuner.controller.retry import Policy
from tuner.journal.record import Listener, Record
from tuner.schedulers.factory import build_rule
from tuner.searchers.optuna_searcher import Sampler
from tuner.space.space import Point
from tuner.storage.storage import Storage
from tuner.study.study import Study

Curve = Callable[[Point, int], float]  # point, report -> value of the study's metric


@dataclass
class Simulated:
    """`slots` trials at a time, each report takes as long as any other; one that was held goes on.

    Attributes:
        study: what is searched.
        curve: what a trial reports.
        listeners: told of every event, such as a journal.
        slots: trials at a time.
        conductor: decides, as in a real search.
        reports: made so far.
    """

    study: Study
    curve: Curve
    listeners: Sequence[Listener] = ()
    slots: int = 1
    reports: int = 0
    conductor: Conductor = field(init=False)

    def __post_init__(self) -> None:
        record = Record(self.study.metric.name, self.listeners)
        rule, storage = build_rule(self.study), Storage(str(Path("unused").resolve()))
        source, policy = Sampler(self.study), Policy(self.study.retries, None)
        self.conductor = Conductor(self.study, source, rule, record, storage, policy)
        self._running: deque[tuple[Attempt, int]] = deque()  # and reports so far

    def fill(self) -> None:
        """Begin as many attempts as there is room for."""
        while len(self._running) < self.slots and (attempt := self.conductor.next()) is not None:
            self.conductor.began(attempt)
            self._running.append((attempt, self._record(attempt.number).epoch))

    def step(self) -> int | None:
        """One report of the trial whose turn it is.

        Returns:
            The trial's number; None: nothing runs.
        """
        self.fill()
        if not self._running:
            return None
        attempt, epoch = self._running.popleft()
        value = self.curve(self._record(attempt.number).point, epoch + 1)
        metrics: dict[str, Any] = {self.study.metric.name: value}
        self.reports += 1
        if not self.conductor.reported(attempt, epoch + 1, metrics, None):
            self._running.append((attempt, epoch + 1))
        return attempt.number

    def _record(self, number: int) -> Any:
        return self.conductor.record.trials[number]
