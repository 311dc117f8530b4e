"""The budget: what counts against it, when it ends a search, and how a resume counts earlier sessions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.tuner.support.studies import quiet, toy_study
from tuner.commands.summary import exit_code, summary
from tuner.controller.budget import Spending, Spent
from tuner.controller.controller import Attempt, Controller
from tuner.controller.retry import RetryPolicy
from tuner.journal.event import Event, EventKind
from tuner.journal.record import State, StudyRecord
from tuner.schedulers.factory import build_scheduler
from tuner.searchers.searcher import Suggestion
from tuner.storage.storage import Storage
from tuner.study.settings import Budget
from tuner.study.study import Study
from tuner.workflows.search import search, search_local

HOUR = 3600.0
NO_RULE = {"name": "none"}


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Points:
    """A searcher that proposes empty params."""

    def __init__(self) -> None:
        self._next = 0

    def ask(self) -> Suggestion:
        self._next += 1
        return Suggestion(self._next - 1, {"x": 0.5}, {"x": 0.5})

    def report(self, number: int, epoch: int, metrics: Any) -> None: ...

    def tell(self, number: int, state: State, metrics: Any) -> None: ...

    def recall(self, suggestion: Suggestion) -> None:
        self._next = max(self._next, suggestion.number + 1)


class Listening:
    """Keeps every event, stamped with the fake clock."""

    def __init__(self, clock: Clock) -> None:
        self.events: list[Event] = []
        self._clock = clock

    def on_event(self, event: Event) -> None:
        self.events.append(Event(event.kind, event.trial, event.content, self._clock()))


class Session:
    """A controller on a fake clock; `slots` trials report in turn, an epoch takes `epoch_s`."""

    def __init__(
        self, study: Study, folder: Path, start: float = 0.0, past: list[Event] | None = None
    ) -> None:
        self.clock = Clock()
        self.clock.now = start
        self.heard = Listening(self.clock)
        record = StudyRecord(study.metric.name, [self.heard])
        self.controller = Controller(
            study,
            Points(),
            build_scheduler(study),
            record,
            Storage(str(folder)),
            RetryPolicy(2, None),
            self.clock,
        )
        if past:
            self.controller.resume(past)
        else:
            record.start_study("id", study.to_dict())

    def run(self, epoch_s: float, slots: int = 1, reports: int = 10_000) -> int:
        """Run until it ends, or for so many reports; how many there were."""
        running: dict[int, tuple[Attempt, int]] = {}
        made = 0
        while made < reports:
            while len(running) < slots and (attempt := self.controller.next_attempt()) is not None:
                self.controller.began(attempt)
                running[attempt.number] = (attempt, attempt.epoch)
            if not running:
                break
            self.clock.now += epoch_s
            for attempt, epoch in list(running.values()):
                made += 1
                running[attempt.number] = (attempt, epoch + 1)
                if self.controller.reported(attempt, epoch + 1, {"dev/loss": 1.0}, f"s/{epoch + 1}"):
                    del running[attempt.number]
            if self.controller.halted:
                break
        return made

    def end(self) -> list[Event]:
        self.controller.end(State.INTERRUPTED if self.controller.halted else State.COMPLETE)
        return self.heard.events


def study_of(**changes: Any) -> Study:
    return toy_study(**{"search": {"x": {"float": [0, 1]}}, "scheduler": NO_RULE, "trials": 100, **changes})


@pytest.mark.parametrize("key", ["gpu_hours", "wall_hours"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0, "1", True])
def test_what_is_no_positive_number_of_hours_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate({key: value})


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_wall_hours_stop_the_search_at_most_one_report_late(slots: int, tmp_path: Path) -> None:
    session = Session(study_of(budget={"wall_hours": 1.0}), tmp_path)
    session.run(epoch_s=0.3 * HOUR, slots=slots)
    assert session.controller.halted == "the budget is spent: 1 hours"
    assert session.controller.finished
    assert session.controller.spent().wall_hours == pytest.approx(1.2)
    assert session.controller.next_attempt() is None


@pytest.mark.parametrize(("gpu", "workers"), [(1.0, 1), (0.25, 1), (2.0, 1), (0.5, 2), (1.0, 4)])
@pytest.mark.parametrize("slots", [1, 3])
def test_gpu_hours_count_fractions_and_workers_of_all_trials(
    gpu: float, workers: int, slots: int, tmp_path: Path
) -> None:
    study = study_of(budget={"gpu_hours": 2.0}, resources={"gpu": gpu, "workers": workers})
    session = Session(study, tmp_path)
    reports = session.run(epoch_s=HOUR / 10, slots=slots)
    spent = session.controller.spent().gpu_hours
    a_report = gpu * workers / 10
    assert spent == pytest.approx(reports * a_report)
    assert 2.0 <= spent < 2.0 + slots * a_report + 1e-9


def test_a_search_without_gpus_spends_no_gpu_hours(tmp_path: Path) -> None:
    session = Session(study_of(budget={"gpu_hours": 1e-6}, trials=3), tmp_path)
    assert session.run(epoch_s=HOUR) == 12
    assert session.controller.halted == ""
    assert session.controller.spent() == Spent(0.0, 12.0)


def test_waiting_for_resources_costs_nothing(tmp_path: Path) -> None:
    session = Session(study_of(budget={"gpu_hours": 1.0}, resources={"gpu": 1}), tmp_path)
    attempt = session.controller.next_attempt()
    assert attempt is not None
    session.clock.now += 5 * HOUR
    assert session.controller.spent().gpu_hours == 0
    session.controller.began(attempt)
    session.clock.now += 0.5 * HOUR
    assert session.controller.spent().gpu_hours == pytest.approx(0.5)
    session.controller.check_budget()
    assert session.controller.halted == ""
    session.clock.now += 0.5 * HOUR
    session.controller.check_budget()  # while nothing reports, as in a long epoch
    assert session.controller.halted == "the budget is spent: 1 GPU hours"


def test_the_last_report_of_a_trial_counts_though_the_budget_is_spent_with_it(tmp_path: Path) -> None:
    session = Session(study_of(budget={"wall_hours": 4.0}), tmp_path)
    session.run(epoch_s=HOUR)
    session.end()
    assert [trial.state for trial in session.controller.record.ordered] == [State.COMPLETE]


@given(
    cuts=st.lists(st.integers(1, 6), max_size=5), idle=st.integers(0, 10**6), killed=st.booleans(),
    slots=st.integers(1, 3),
)  # fmt: skip
def test_cut_into_sessions_a_search_stops_where_it_would_have_stopped_whole(
    cuts: list[int], idle: int, killed: bool, slots: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Time of earlier sessions counts, idle time between them does not; each ends with a report."""
    folder = tmp_path_factory.getbasetemp()
    study = study_of(budget={"gpu_hours": 3.0}, resources={"gpu": 0.5})
    whole = Session(study, folder)
    wanted = whole.run(HOUR / 4, slots)
    past: list[Event] = []
    made, start = 0, 0.0
    for limit in [*cuts, 10_000]:
        session = Session(study, folder, start, past)
        made += session.run(HOUR / 4, slots, limit)
        past += session.heard.events if killed else session.end()
        start = session.clock.now + idle
        if session.controller.halted:
            break
    assert made == wanted
    assert session.controller.spent().gpu_hours == pytest.approx(whole.controller.spent().gpu_hours)
    assert session.controller.spent().wall_hours == pytest.approx(whole.controller.spent().wall_hours)


def test_each_session_counts_with_its_own_resources(tmp_path: Path) -> None:
    first = Session(study_of(resources={"gpu": 1.0}), tmp_path)
    first.run(HOUR, reports=2)
    second = Session(study_of(resources={"gpu": 0.25}), tmp_path, 100 * HOUR, first.end())
    assert second.controller.spent().gpu_hours == pytest.approx(2.0)
    second.run(HOUR, reports=2)
    third = Session(study_of(), tmp_path, 500 * HOUR, first.heard.events + second.end())
    assert third.controller.spent() == Spent(pytest.approx(2.5), pytest.approx(4.0))


def test_what_a_trial_took_after_its_last_report_counts_when_the_search_ends(tmp_path: Path) -> None:
    study = study_of(resources={"gpu": 1.0})
    session = Session(study, tmp_path)
    session.run(HOUR, reports=1)
    session.clock.now += HOUR / 2
    events = session.end()
    assert [event["seconds"] for event in events if event.kind is EventKind.TRIAL_ENDED] == [HOUR / 2]
    resumed = Spending(study, Clock())
    resumed.recall(events)
    assert resumed.spent() == Spent(1.5, 1.5)


def test_a_clock_set_back_between_events_takes_nothing_away() -> None:
    spending = Spending(study_of(), Clock())
    times = [100.0, 160.0, 40.0, 100.0]
    kinds = [EventKind.STUDY_STARTED, EventKind.TRIAL_STARTED, EventKind.TRIAL_PAUSED, EventKind.TRIAL_PAUSED]
    content = {"study": {}}
    spending.recall(Event(kind, None, content, time) for kind, time in zip(kinds, times, strict=True))
    assert spending.spent().wall_hours == pytest.approx(120 / HOUR)


def test_what_is_spent_of_what_is_one_line() -> None:
    spent = Spent(gpu_hours=0.41666, wall_hours=1.25)
    assert spent.of(Budget(gpu_hours=1.0, wall_hours=8.0)) == "0.417 of 1 GPU hours, 1.25 of 8 hours"
    assert spent.of(Budget(wall_hours=8.0)) == "1.25 of 8 hours"
    assert spent.of(Budget()) == ""


SLEEPY = {
    "trial": "tests.tuner.support.costly:run",
    "search": {"size": {"int": [1, 2]}},
    "scheduler": NO_RULE,
}


def second_s(hours: float) -> dict[str, Any]:
    return {"wall_hours": hours / HOUR}


def test_a_spent_budget_leaves_a_winner_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    """The default takes no time, the next trial more than the budget."""
    content = {**SLEEPY, "search": {"size": {"int": [0, 30]}}, "default": {"size": 0}, "trials": 2}
    study = toy_study(**content, settings={"epoch_s": 0.05}, budget=second_s(1.0))
    outcome = search_local(study, tmp_path / "out", quiet())
    assert [trial.state for trial in outcome.trials] == [State.COMPLETE, State.INTERRUPTED]
    assert outcome.halted.startswith("the budget is spent")
    assert exit_code(outcome) == 0
    early, spent, *_ = summary(study, outcome, tmp_path / "out")
    assert early.endswith("running trials are left out, --resume with a larger budget continues them")
    assert re.fullmatch(r"spent       \S+ of 0.000277778 hours", spent)
    assert spent.endswith(" of 0.000277778 hours")
    larger = study.model_copy(update={"budget": Budget(wall_hours=1.0)})
    resumed = search_local(larger, tmp_path / "out", quiet(), resume=True)
    assert resumed.halted == ""
    assert [(trial.state, trial.epoch) for trial in resumed.trials] == [(State.COMPLETE, 4)] * 2
    assert outcome.spent.wall_hours >= 1.0 / HOUR
    asleep_s = 0.05 * resumed.trials[1].params["size"] * (4 - outcome.trials[1].epoch)
    assert resumed.spent.wall_hours >= (1.0 + asleep_s) / HOUR  # counted up to the first session's last event


def test_a_budget_without_a_winner_says_how_to_resume(tmp_path: Path) -> None:
    study = toy_study(**SLEEPY, trials=2, settings={"epoch_s": 0.05}, budget=second_s(0.06))
    outcome = search_local(study, tmp_path / "out", quiet())
    assert exit_code(outcome) == 1
    text = summary(study, outcome, tmp_path / "out")[-1]
    assert "no trial ran its 4 epochs" in text
    assert text.endswith("continue: --resume with a larger budget")


@pytest.mark.slow
def test_on_ray_a_budget_ends_trials_in_mid_epoch_and_a_resume_without_more_runs_nothing(
    tmp_path: Path, ray_cluster: Iterator[None]
) -> None:
    settings = {"epoch_s": 30.0}
    study = toy_study(**SLEEPY, trials=4, settings=settings, budget=second_s(1.0), concurrency=2)
    outcome = search(study, tmp_path / "out", quiet(), forecast=False)
    assert outcome.halted == f"the budget is spent: {1 / HOUR:g} hours"
    assert {trial.state for trial in outcome.trials} == {State.INTERRUPTED}
    assert outcome.spent.wall_hours * HOUR < 25  # an epoch is longer
    again = search(study, tmp_path / "out", quiet(), resume=True)
    assert again.halted == outcome.halted
    assert [trial.epoch for trial in again.trials] == [0] * len(outcome.trials)
