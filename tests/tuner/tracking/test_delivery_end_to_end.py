"""A journal delivered to MLflow in pieces, twice, or with answers lost: the store is the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from tests.tuner.controller.test_failures import failing_study
from tests.tuner.support.stores import content, points
from tests.tuner.support.studies import quiet
from tuner.journal.event import Event, EventKind
from tuner.journal.journal import read_events
from tuner.study.study import Study
from tuner.tracking.address import STORE
from tuner.tracking.artifacts import Artifacts
from tuner.tracking.best_reports import BestReports
from tuner.tracking.client import open_client
from tuner.tracking.runs import Runs
from tuner.tracking.trial_artifacts import ArtifactReader
from tuner.workflows.search import search_local

NUMBERS = count()


@dataclass
class Delivered:
    """A search of two sessions, its journal, and the store that it was delivered to."""

    study: Study
    out: Path
    events: list[Event]
    whole: list[dict[str, Any]]


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Delivered:
    """Interrupted in its second trial and resumed; one attempt out of memory, one failing trial."""
    out = tmp_path_factory.mktemp("delivered") / "out"
    study = failing_study(["memory", "nan"], epochs=2, settings={"micro_batch": 16})
    calls = count()

    def broken_off(*arguments: Any) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return kept(*arguments)

    from tuner.controller.lifecycle import TrialLifecycle

    kept = TrialLifecycle.report
    out.mkdir()
    shutil.copy(empty_store, out / STORE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrialLifecycle, "report", broken_off)
        with pytest.raises(KeyboardInterrupt):
            search_local(study, out, quiet())
    search_local(study, out, quiet(), resume=True)
    return Delivered(
        study, out, list(read_events(out / "journal.jsonl")), content(f"sqlite:///{out / STORE}", "toy")
    )


class Shaky:
    """A client that breaks at one of its calls that write, before or after it was carried out."""

    writes = ("create_run", "log_batch", "set_tag", "update_run", "set_terminated", "log_artifact")

    def __init__(self, client: Any, at: int = -1, done: bool = False) -> None:
        self._client, self._at, self._done = client, at, done
        self.calls, self.called = 0, set[str]()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._broken(method) if name in self.writes else method

    def _broken(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.called.add(method.__name__)
            here, self.calls = self.calls == self._at, self.calls + 1
            if here and not self._done:
                raise ConnectionError
            result = method(*arguments, **keywords)
            if here:
                raise ConnectionError
            return result

        return call


@dataclass
class Store:
    """A store with an experiment of its own for each delivery."""

    uri: str
    delivered: Delivered

    def __post_init__(self) -> None:
        self.client = open_client(self.uri)
        self.name = f"toy {next(NUMBERS)}"
        place = self.delivered.out.parent / self.name.replace(" ", "-")
        self._experiment = self.client.create_experiment(self.name, artifact_location=place.as_uri())

    def runs(self, client: Any | None = None, known: bool = False) -> Runs:
        study, out, used = self.delivered.study, self.delivered.out, client or self.client
        best_reports = BestReports(study)
        for event in self.delivered.events:
            best_reports.add(event)
        results = Artifacts(used, self._experiment, study, out, ArtifactReader(str(out), study.trial))
        runs = Runs(used, self._experiment, study, best_reports, results)
        if known:
            runs.find(self.delivered.events[0]["search"])
        return runs

    @property
    def content(self) -> list[dict[str, Any]]:
        return content(self.uri, self.name)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> str:
    file = tmp_path_factory.mktemp("delivery") / STORE
    shutil.copy(empty_store, file)
    return f"sqlite:///{file}"


def deliver(runs: Runs, events: list[Event]) -> None:
    for event in events:
        runs.deliver([event])


def test_the_store_has_every_run_once_and_every_epoch_once(delivered: Delivered) -> None:
    assert [row["tags"].get("trial_id") for row in delivered.whole] == [None, "0000", "0001"]
    assert [row["status"] for row in delivered.whole] == ["FINISHED", "FINISHED", "FAILED"]
    assert points(delivered.whole[1], "dev/loss") == [1, 2]
    assert points(delivered.whole[2], "micro_batch") == [1, 2]
    assert {event.kind for event in delivered.events} >= {EventKind.STUDY_RESUMED, EventKind.TRIAL_RETRIED}


def test_an_empty_store_is_filled_from_the_journal(delivered: Delivered, uri: str) -> None:
    store = Store(uri, delivered)
    deliver(store.runs(), delivered.events)
    assert store.content == delivered.whole


@pytest.mark.parametrize("size", [3, 1000])
def test_events_delivered_together_leave_the_same_store(delivered: Delivered, uri: str, size: int) -> None:
    store = Store(uri, delivered)
    client = Shaky(store.client)
    runs = store.runs(client)
    for place in range(0, len(delivered.events), size):
        runs.deliver(delivered.events[place : place + size])
    assert store.content == delivered.whole


def test_reports_delivered_together_are_one_batch(delivered: Delivered, uri: str) -> None:
    store = Store(uri, delivered)
    client = Shaky(store.client)
    runs = store.runs(client)
    deliver(runs, delivered.events[:2])
    before = client.calls
    reports = [
        Event(
            EventKind.TRIAL_REPORTED,
            0,
            {"epoch": epoch, "metrics": {"dev/loss": 1 / epoch}, "checkpoint": None},
        )
        for epoch in range(1, 21)
    ]
    runs.deliver(reports)
    assert client.calls == before + 1
    runs.deliver(reports)  # delivered again
    assert client.calls == before + 1
    assert points(store.content[1], "dev/loss") == list(range(1, 21))


def test_a_run_that_is_over_stays_so_when_all_is_delivered_again(delivered: Delivered, uri: str) -> None:
    store = Store(uri, delivered)
    deliver(store.runs(), delivered.events)
    client = Shaky(store.client)
    deliver(store.runs(client, known=True), delivered.events)
    assert client.called.isdisjoint({"create_run", "update_run", "set_terminated"})
    assert store.content == delivered.whole


def test_after_any_part_of_the_journal_all_may_be_delivered_again(delivered: Delivered, uri: str) -> None:
    for length in range(0, len(delivered.events) + 1, 6):
        store = Store(uri, delivered)
        deliver(store.runs(), delivered.events[:length])
        deliver(store.runs(known=True), delivered.events)
        assert store.content == delivered.whole, f"after {length} events"


def broken_then_again(delivered: Delivered, uri: str, at: int, done: bool, same: bool) -> Store:
    """Broken at one call; then the event again as by a delivery, or all of it as by a later session."""
    store = Store(uri, delivered)
    runs = store.runs(Shaky(store.client, at, done))
    for place, event in enumerate(delivered.events):
        try:
            runs.deliver([event])
        except ConnectionError:
            again = delivered.events[place:] if same else delivered.events
            deliver(runs if same else store.runs(known=True), again)
            return store
    raise AssertionError(f"there is no call {at}")


@pytest.fixture(scope="module")
def calls(delivered: Delivered, uri: str) -> int:
    """That write, in one delivery of the whole journal."""
    store = Store(uri, delivered)
    client = Shaky(store.client)
    deliver(store.runs(client), delivered.events)
    return client.calls


@given(share=st.floats(0, 1, exclude_max=True), done=st.booleans(), same=st.booleans())
@settings(max_examples=5, deadline=None)
def test_a_call_that_breaks_costs_nothing_and_doubles_nothing(
    delivered: Delivered, uri: str, calls: int, share: float, done: bool, same: bool
) -> None:
    assert broken_then_again(delivered, uri, int(share * calls), done, same).content == delivered.whole


@pytest.mark.kills
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("same", [False, True])
def test_calls_all_over_a_journal_may_break(
    delivered: Delivered, uri: str, calls: int, done: bool, same: bool
) -> None:
    for at in range(2 * done + same, calls, 8):  # every second call once in the four
        assert broken_then_again(delivered, uri, at, done, same).content == delivered.whole, f"call {at}"


class Late(Shaky):
    """A client of a server that froze: it makes a run that nobody waits for, after the same run's second."""

    def _broken(self, method: Callable[..., Any]) -> Callable[..., Any]:
        if method.__name__ != "create_run":
            return method

        def call(*arguments: Any, **keywords: Any) -> Any:
            self.calls += 1
            if self.calls == self._at:
                raise ConnectionError
            made = method(*arguments, **keywords)
            if self.calls == self._at + 1:
                method(*arguments, **keywords)
            return made

        return call


@pytest.mark.parametrize("at", [1, 2, 3], ids=["study", "first", "second"])
def test_a_run_that_a_frozen_server_makes_late_is_removed(delivered: Delivered, uri: str, at: int) -> None:
    store = Store(uri, delivered)
    runs = store.runs(Late(store.client, at))
    for event in delivered.events:
        try:
            runs.deliver([event])
        except ConnectionError:
            runs.deliver([event])
    assert store.content == delivered.whole


def test_two_searches_in_one_experiment_keep_apart(delivered: Delivered, uri: str) -> None:
    store = Store(uri, delivered)
    deliver(store.runs(), delivered.events)
    first = delivered.events[0]
    other = Event(first.kind, None, {**first.content, "search": "another"}, first.time)
    deliver(store.runs(), [other, *delivered.events[1:]])
    runs = MlflowClient(tracking_uri=uri).search_runs([store._experiment])
    assert len(runs) == 2 * len(delivered.whole)
    assert len({run.data.tags["search_id"] for run in runs}) == 2
