"""Searches whose trials share stacks, on a real Ray cluster: each trial as if it had run alone."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import RayError

from tests.tuner.support.driving import run_points, run_searcher
from tests.tuner.support.studies import SPACE, journal, quiet, toy_study
from tests.tuner.support.toy import loss
from tuner.errors import StudyError
from tuner.execution.stacking.mailbox import PREFIX
from tuner.journal.event import Event, EventKind
from tuner.journal.record import State, TrialRecord
from tuner.searchers.optuna_searcher import OptunaSearcher
from tuner.study.study import Study
from tuner.workflows.search import search

pytestmark = [pytest.mark.usefixtures("ray_cluster"), pytest.mark.slow]
SCALARS = {name: SPACE[name] for name in ("x", "optim.rate")}


def stack_study(**changes: Any) -> Study:
    content = {
        "trial": "tests.tuner.support.stack_toy:run", "search": SCALARS, "trials": 10,
        "epochs": 4, "concurrency": 4,
        "sampler": {"name": "random", "seed": 1}, "scheduler": {"name": "none"},
        "resources": {"cpu": 1, "stack": 4},
    }  # fmt: skip
    return toy_study(**(content | changes))


def rounds(file: Path) -> list[int]:
    """How many trials were in each round."""
    return [int(line.split()[1]) for line in file.read_text().splitlines()]


def curves(trials: list[TrialRecord]) -> dict[int, tuple[State, dict[int, float]]]:
    return {trial.number: (trial.state, trial.values) for trial in trials}


def test_every_trial_is_what_it_is_alone_and_free_places_are_filled(tmp_path: Path) -> None:
    file = tmp_path / "rounds"
    study = stack_study(settings={"rounds": str(file)})
    stacked = search(study, tmp_path / "stacked", quiet())
    alone = search(
        stack_study(resources={"cpu": 1}, concurrency=1, trial="tests.tuner.support.toy:run"),
        tmp_path / "alone", quiet(),
    )  # fmt: skip
    assert curves(stacked.trials) == curves(alone.trials)
    assert {trial.state for trial in stacked.trials} == {State.COMPLETE}
    assert rounds(file) == [4] * 4 + [4] * 4 + [2] * 4
    assert stacked.best is not None
    assert alone.best is not None
    assert stacked.best.number == alone.best.number
    assert (tmp_path / "stacked" / "detector" / "model.json").exists()


def test_stopped_trials_leave_and_others_take_their_places_at_once(tmp_path: Path) -> None:
    file = tmp_path / "rounds"
    study = stack_study(
        trials=12,
        scheduler={"name": "asha", "grace_period": 1, "reduction_factor": 2},
        settings={"rounds": str(file)},
    )
    outcome = search(study, tmp_path / "out", quiet())
    states = [trial.state for trial in outcome.trials]
    assert set(states) == {State.COMPLETE, State.STOPPED}
    reports = [event for event in journal(tmp_path / "out") if event["event"] == "trial_reported"]
    assert sum(rounds(file)) == len(reports) == sum(trial.epoch for trial in outcome.trials)
    begun = [event["trial"] for event in journal(tmp_path / "out") if event["event"] == "trial_started"]
    assert begun == list(range(12))
    assert rounds(file)[:5] == [4] * 5  # though trials were stopped: others joined


def fated(fates: list[str], out: Path) -> list[TrialRecord]:
    """One stack, a trial of each fate."""
    search = {"x": {"float": [0, 1]}, "fate": {"choice": sorted({*fates, "joint"})}}
    study = stack_study(
        search=search, trials=len(fates), settings={"rounds": str(out / "rounds")}, concurrency=len(fates),
        resources={"stack": len(fates)},
    )  # fmt: skip
    points = [{"x": 0.1 * place, "fate": fate} for place, fate in enumerate(fates)]
    return run_points(study, points, out)[1]


def assert_fine(trial: TrialRecord) -> None:
    assert trial.state is State.COMPLETE
    assert trial.value == pytest.approx(loss({"x": trial.params["x"]}) + math.exp(-4))


def test_what_ends_one_trial_leaves_the_others_alone(tmp_path: Path) -> None:
    first, nan, fail, back, last = fated(["fine", "nan", "fail", "return", "fine"], tmp_path)
    assert (nan.state, nan.epoch, nan.reason) == (State.FAILED, 2, "dev/loss is nan at epoch 2")
    assert (fail.state, fail.epoch) == (State.FAILED, 1)
    assert fail.reason.startswith("RuntimeError: boom at epoch 2 (in full: ")
    assert (back.state, back.epoch) == (State.FAILED, 1)
    assert back.reason == "ended by itself after 1 of 4 reports"
    assert_fine(first)
    assert_fine(last)
    assert rounds(tmp_path / "rounds") == [5, 5, 2, 2]


def test_what_fails_for_a_whole_stack_is_tried_again_one_by_one(tmp_path: Path) -> None:
    trials = fated(["fine", "joint", "fine"], tmp_path)  # the toy has that fate in stacks alone
    for trial in trials:
        assert_fine(trial)
        assert trial.retries == {"stack": 1}
    assert rounds(tmp_path / "rounds") == [3, 3]
    assert "boom for all of them" in (tmp_path / "errors" / "0000.txt").read_text()


def test_a_process_that_dies_costs_the_others_an_attempt_and_no_report(tmp_path: Path) -> None:
    first, guilty, last = fated(["fine", "die", "fine"], tmp_path)
    assert (guilty.state, guilty.retries) == (State.FAILED, {"stack": 1, "lost": 2})
    for trial in (first, last):
        assert_fine(trial)
        assert trial.retries == {"stack": 1}


class MailboxKiller:
    """Kills the mailbox of the search that runs.

    Args:
        reports: numbers of the reports, counted over all trials, at which it kills from the driver.
    """

    def __init__(self, reports: Collection[int] = ()) -> None:
        self._reports, self._count = reports, itertools.count(1)
        self.kills = 0

    def on_event(self, event: Event) -> None:
        if event.kind is EventKind.TRIAL_REPORTED and next(self._count) in self._reports:
            self.kill()

    def kill(self) -> None:
        """Kill the mailbox, if one is alive."""
        for name in ray.util.list_named_actors():
            if name.startswith(PREFIX):
                with suppress(ValueError):  # died since
                    ray.kill(ray.get_actor(name))
                    self.kills += 1

    def keep_killing(self, over: threading.Event) -> None:
        """Kill each mailbox a moment after it has begun to answer, whatever the stacks are doing."""
        while not over.wait(0.02):
            with suppress(RayError, ValueError, StopIteration):
                name = next(name for name in ray.util.list_named_actors() if name.startswith(PREFIX))
                ray.get(ray.get_actor(name).forget.remote("nobody"))
                over.wait(0.1)
                self.kill()


@pytest.mark.parametrize("saves", [True, False], ids=["with save", "without save"])
def test_the_death_of_the_mailbox_costs_no_attempt(tmp_path: Path, saves: bool) -> None:
    study = stack_study(trials=8, resources={"stack": 2}, settings={"no_save": not saves}, concurrency=4)
    killer = MailboxKiller({3, 10, 20})
    trials = run_searcher(study, OptunaSearcher(study), tmp_path, slots=2, listeners=[killer])
    assert killer.kills > 0
    assert_undisturbed(study, trials)
    assert bool(trials[0].checkpoint) == saves


@pytest.mark.kills
def test_the_mailbox_may_die_again_and_again(tmp_path: Path) -> None:
    study = stack_study(trials=12, resources={"stack": 3}, settings={"pace_s": 0.01}, retries=1)
    over, killer = threading.Event(), MailboxKiller()
    thread = threading.Thread(target=killer.keep_killing, args=[over])
    thread.start()
    try:
        trials = run_searcher(study, OptunaSearcher(study), tmp_path, slots=2)
    finally:
        over.set()
        thread.join()
    assert killer.kills > 2
    assert_undisturbed(study, trials)


def assert_undisturbed(study: Study, trials: list[TrialRecord]) -> None:
    """Every trial is complete, in one attempt, with each report once."""
    assert [trial.state for trial in trials] == [State.COMPLETE] * len(trials)
    assert not any(trial.retries for trial in trials)
    for trial in trials:
        assert list(trial.values) == [1, 2, 3, 4]
        assert trial.value == pytest.approx(loss(study.config(trial.params)) + math.exp(-4))


def test_trials_that_differ_in_more_are_in_other_stacks_or_alone(tmp_path: Path) -> None:
    file = tmp_path / "rounds"
    kinds = {"kind": {"choice": ["round", "square"]}, "width": {"int": [8, 64]}, "x": {"float": [0, 1]}}
    points = [
        {"kind": kind, "width": width, "x": 0.1 * place}
        for place, (kind, width) in enumerate(
            [("round", 8), ("square", 8), ("round", 64), ("round", 9), ("square", 9), ("round", 10)]
        )
    ]
    study = stack_study(search=kinds, trials=6, settings={"rounds": str(file)})
    _, trials = run_points(study, points, tmp_path)
    assert [trial.state for trial in trials] == [State.COMPLETE] * 6
    assert sorted(rounds(file)) == [2] * 4 + [3] * 4


def test_a_search_broken_off_goes_on_in_stacks_and_its_hours_are_shared(tmp_path: Path) -> None:
    out, began = tmp_path / "out", time.monotonic()
    changes = {"settings": {"pace_s": 0.01}, "finalists": {"top": 2, "seeds": 3}}
    hasty = stack_study(**changes, trials=6, budget={"wall_hours": 0.0004})
    assert search(hasty, out, quiet()).halted  # somewhere
    outcome = search(stack_study(**changes, trials=6), out, quiet(), resume=True)
    assert [trial.state for trial in outcome.trials] == [State.COMPLETE] * 6
    assert outcome.finals is not None  # several seeds of two configurations, which stack
    told = [(each["trial"], each["epoch"]) for each in journal(out) if each["event"] == "trial_reported"]
    assert sorted(told) == [(trial, epoch) for trial in range(6) for epoch in range(1, 5)]
    assert 0 < sum(trial.seconds for trial in outcome.trials) < time.monotonic() - began


def test_a_study_whose_usual_trial_runs_alone_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rounds"
    study = stack_study(settings={"width": 64, "rounds": str(file)}, trials=2)
    outcome = search(study, tmp_path / "out", quiet())
    assert [trial.state for trial in outcome.trials] == [State.COMPLETE] * 2
    assert not file.exists()
    warning = "warning: resources.stack: the usual configuration runs alone: width: too large for a stack"
    assert capsys.readouterr().err.splitlines().count(warning) == 1


def test_a_trial_function_without_stacks_is_refused(tmp_path: Path) -> None:
    study = stack_study(trial="tests.tuner.support.toy:run")
    with pytest.raises(StudyError, match=r"has no `run_stack`, which `resources.stack` needs; add"):
        search(study, tmp_path / "out", quiet())
