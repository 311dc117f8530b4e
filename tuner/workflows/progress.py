"""Progress of a search: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tuner.journal.event import SESSIONS, Event, EventKind
from tuner.journal.record import State, StudyRecord, TrialRecord
from tuner.results.selection import winner
from tuner.study.study import Study
from tuner.text import duration, params_text

HEARTBEAT_S = 15.0


class Progress:
    """Shows running trials, the best value so far and the time left.

    Args:
        study: the study.
        console: output; a terminal gets the live table.
        record: the trials.
        spent: returns the part of the budget that is spent, "" without a budget.
    """

    def __init__(
        self, study: Study, console: Console, record: StudyRecord, spent: Callable[[], str] = lambda: ""
    ) -> None:
        self._study, self._console, self._trials, self._spent = study, console, record.trials, spent
        self._live: Live | None = None
        self._over = threading.Event()
        self._begun = self._said = time.monotonic()
        self._before = 0

    def on_event(self, event: Event) -> None:
        """Show an event."""
        if event.kind in SESSIONS:
            self._begin()
        elif event.kind is EventKind.TRIAL_ENDED and event.trial is not None:
            self._say(self._ended_line(self._trials[event.trial]))
        elif event.kind is EventKind.TRIAL_RETRIED:
            why = f"{event['cause']}: {event['reason']}"
            self._say(Text(f"{self._study.trial_noun} {event.trial} is retried ({why})"))
        elif event.kind is EventKind.STUDY_ENDED:
            self._end()

    def _begin(self) -> None:
        self._begun = self._said = time.monotonic()
        self._before = sum(trial.state is not State.RUNNING for trial in self._trials.values())
        if self._console.is_terminal:
            self._live = Live(self, console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        else:
            threading.Thread(target=self._beat, daemon=True).start()

    def _say(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)
        self._said = time.monotonic()

    def _end(self) -> None:
        self._over.set()
        if self._live is not None:
            self._live.stop()
        self._console.print(self._status(), soft_wrap=True)

    def __rich__(self) -> Group:
        """Return the live table; rich calls this at every refresh."""
        table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), expand=True)
        for title in (self._study.trial_noun, self._study.report_unit, self._study.metric.name):
            table.add_column(title, no_wrap=True)
        table.add_column("configuration", no_wrap=True, ratio=1)  # the only one that shrinks
        running = [trial for trial in list(self._trials.values()) if trial.state is State.RUNNING]
        for trial in running:
            value = f"{trial.value:.5g}" if trial.epoch else "-"
            epoch = f"{trial.epoch}/{self._study.max_reports}"
            table.add_row(f"{trial.number}", epoch, value, Text(params_text(trial.params)))
        return Group(table, Text(self._status()))

    def _beat(self) -> None:
        while not self._over.wait(max(0.01, self._said + HEARTBEAT_S - time.monotonic())):
            if time.monotonic() - self._said >= HEARTBEAT_S:
                self._said = time.monotonic()
                self._console.print(self._status(), soft_wrap=True)

    def _ended_line(self, trial: TrialRecord) -> Text:
        value = f"{self._study.metric.name} {trial.value:.5g}" if trial.epoch else "no report"
        done = f"{trial.epoch}/{self._study.max_reports} {self._study.report_unit}s"
        head = f"{self._study.trial_noun} {trial.number} {trial.state} after {done}: {value}"
        if trial.state is State.FAILED:
            return Text(f"{head}: {trial.reason}")
        return Text(f"{head}   [{params_text(trial.params)}]")

    def _status(self) -> str:
        trials = list(self._trials.values())
        counts: Counter[Any] = Counter(trial.state for trial in trials)
        ended = len(trials) - counts[State.RUNNING]
        parts = [f"{ended}/{self._study.trials} {self._study.trial_noun}s"]
        parts += [f"{counts[each]} {each}" for each in State if counts[each]]
        best = winner(trials, self._study.metric, self._study.constraints)
        if best is not None:
            parts.append(
                f"best {self._study.metric.name} {best.value:.5g} ({self._study.trial_noun} {best.number})"
            )
        elapsed = time.monotonic() - self._begun
        parts.append(f"{duration(elapsed)} elapsed")
        if spent := self._spent():
            parts.append(f"spent {spent}")
        here = ended - self._before  # the speed of an earlier session does not count
        if here > 0 and ended < self._study.trials and not self._over.is_set():
            parts.append(f"about {duration(elapsed / here * (self._study.trials - ended))} left")
        return ", ".join(parts)
