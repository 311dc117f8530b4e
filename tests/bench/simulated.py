"""A search without machines: controller, sampler, rule and record of a real one, trials that only report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.controller.attempts import Attempt
from tuner.controller.controller import Controller
from tuner.controller.retry import RetryPolicy
from tuner.journal.record import EventListener, StudyRecord
from tuner.schedulers.factory import build_scheduler
from tuner.searchers.optuna_searcher import OptunaSearcher
from tuner.space.space import Params
from tuner.storage.storage import Storage
from tuner.study.study import Study

Curve = Callable[[Params, int], float]  # params, report -> value of the study's metric


@dataclass
class Simulated:
    """`slots` trials at a time, each report takes as long as any other; one that was held goes on.

    Attributes:
        study: what is searched.
        curve: what a trial reports.
        listeners: told of every event, such as a journal.
        slots: trials at a time.
        controller: decides, as in a real search.
        reports: made so far.
    """

    study: Study
    curve: Curve
    listeners: Sequence[EventListener] = ()
    slots: int = 1
    reports: int = 0
    controller: Controller = field(init=False)

    def __post_init__(self) -> None:
        record = StudyRecord(self.study.metric.name, self.listeners)
        rule, storage = build_scheduler(self.study), Storage(str(Path("unused").resolve()))
        source, policy = OptunaSearcher(self.study), RetryPolicy(self.study.retries, None)
        self.controller = Controller(self.study, source, rule, record, storage, policy)
        self._running: deque[tuple[Attempt, int]] = deque()  # and reports so far

    def fill(self) -> None:
        """Begin as many attempts as there is room for."""
        while len(self._running) < self.slots and (attempt := self.controller.next_attempt()) is not None:
            self.controller.began(attempt)
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
        value = self.curve(self._record(attempt.number).params, epoch + 1)
        metrics: dict[str, Any] = {self.study.metric.name: value}
        self.reports += 1
        if not self.controller.reported(attempt, epoch + 1, metrics, None):
            self._running.append((attempt, epoch + 1))
        return attempt.number

    def _record(self, number: int) -> Any:
        return self.controller.record.trials[number]
