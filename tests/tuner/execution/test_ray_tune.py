"""A search on a real Ray cluster: every way a trial can end, told alike to Optuna and to the record."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from optuna.trial import TrialState

from tests.tuner.support.driving import run_points
from tests.tuner.support.studies import DEFAULT, SPACE, journal, quiet, toy_study
from tests.tuner.support.toy import loss
from tuner.errors import StudyError
from tuner.execution.ray_tune.callback import StudyCallback
from tuner.execution.stacking.mailbox import PREFIX
from tuner.journal.record import State, TrialRecord
from tuner.results.selection import winner
from tuner.study.study import Study
from tuner.workflows.search import SearchResult, search

pytestmark = pytest.mark.usefixtures("ray_cluster")
FATES = ["fine", "nan", "side-inf", "fail", "quit", "silent", "die"]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fates")


@pytest.fixture(scope="module")
def fates(states: Path, ray_cluster: None) -> dict[str, tuple[TrialRecord, Any]]:
    """One trial of each fate, none of which is retried: its record and Optuna's trial."""
    study = toy_study(search={"fate": {"choice": FATES}}, scheduler={"name": "none"}, retries=0)
    sampler, trials = run_points(study, [{"fate": fate} for fate in FATES], states)
    return {t.params["fate"]: (t, sampler.study.trials[t.number]) for t in trials}


@pytest.mark.parametrize(
    ("fate", "state", "epochs", "reason", "told"),
    [
        ("fine", State.COMPLETE, 4, "", TrialState.COMPLETE),
        ("side-inf", State.COMPLETE, 4, "", TrialState.COMPLETE),
        ("nan", State.FAILED, 2, "dev/loss is nan at epoch 2", TrialState.FAIL),
        ("fail", State.FAILED, 1, "RuntimeError: boom at epoch 2 (in full: ", TrialState.FAIL),
        ("quit", State.FAILED, 1, "RuntimeError: the trial called sys.exit(0) (in full: ", TrialState.FAIL),
        ("silent", State.FAILED, 1, "ValueError: the trial did not report", TrialState.FAIL),
        ("die", State.FAILED, 1, "the worker process died: out of memory, or killed", TrialState.FAIL),
    ],
)  # fmt: skip
def test_every_end_is_recorded_and_told(
    fates: dict[str, tuple[TrialRecord, Any]],
    states: Path,
    fate: str,
    state: State,
    epochs: int,
    reason: str,
    told: TrialState,
) -> None:
    trial, optuna_trial = fates[fate]
    # a report that is on its way dies with its process
    assert (trial.state, trial.epoch) in (
        [(state, epochs), (state, 0)] if fate == "die" else [(state, epochs)]
    )
    assert trial.reason.startswith(reason)
    assert bool(trial.reason) == (state is State.FAILED)
    assert optuna_trial.state == told
    values = list(optuna_trial.intermediate_values.values())
    assert len(values) == trial.epoch - (fate == "nan")  # a NaN is never an intermediate value
    if told is TrialState.COMPLETE:
        assert optuna_trial.value == trial.value == loss({}) + math.exp(-4)
        assert trial.checkpoint is not None
        assert (states / trial.checkpoint / "epoch.json").read_text() == "4"


def test_a_full_traceback_is_kept(fates: dict[str, tuple[TrialRecord, Any]]) -> None:
    trial, _ = fates["fail"]
    text = Path(trial.reason.split("in full: ")[1].rstrip(")")).read_text()
    assert "in _meet" in text
    assert "with a second line" in text


def test_asha_stops_poor_trials_as_pruned_and_spares_the_default(tmp_path: Path) -> None:
    xs = [1.0, 0.3, 0.9, 0.95, 0.31, 0.97]  # the default is the worst
    study = toy_study(
        search={"x": {"float": [0, 1]}}, default={"x": xs[0]}, trials=6, epochs=8,
        scheduler={"name": "asha", "grace_period": 2, "reduction_factor": 2},
    )  # fmt: skip
    sampler, trials = run_points(study, [{"x": x} for x in xs[1:]], tmp_path)
    assert [trial.params["x"] for trial in trials] == xs
    assert trials[0].state is State.COMPLETE
    assert trials[1].state is State.COMPLETE
    for trial in (trials[2], trials[3], trials[5]):
        assert (trial.state, trial.epoch) == (State.STOPPED, 2)
        assert trial.reason == "stopped by asha at epoch 2"
        told = sampler.study.trials[trial.number]
        assert told.state == TrialState.PRUNED
        assert told.intermediate_values == pytest.approx(
            {e: loss(trial.params) + math.exp(-e) for e in (1, 2)}
        )
    best = winner(trials, study.metric)
    assert best is not None
    assert best.params["x"] == 0.3


def test_the_spared_default_still_fills_the_rungs(tmp_path: Path) -> None:
    """A second trial that is worse than the default is stopped, so the default was ranked."""
    study = toy_study(search={"x": {"float": [0, 1]}}, default={"x": 0.5}, trials=2, epochs=4)
    _, trials = run_points(study, [{"x": 0.9}], tmp_path)
    assert [(trial.state, trial.epoch) for trial in trials] == [(State.COMPLETE, 4), (State.STOPPED, 1)]


def test_a_nan_in_a_rung_stops_nobody(tmp_path: Path) -> None:
    study = toy_study(search={"fate": {"choice": ["nan", "fine"]}, "x": {"float": [0, 1]}}, trials=3)
    points = [{"fate": "nan", "x": 0.3}, {"fate": "nan", "x": 0.3}, {"fate": "fine", "x": 0.3}]
    _, trials = run_points(study, points, tmp_path)
    assert [trial.state for trial in trials] == [State.FAILED, State.FAILED, State.COMPLETE]


def test_with_one_seed_and_one_trial_at_a_time_two_searches_are_the_same(tmp_path: Path) -> None:
    study = toy_study(trials=9, concurrency=1)
    runs = [search(study, tmp_path / name, quiet()).trials for name in ("a", "b")]
    facts = [[(t.number, t.params, t.state, t.epoch, t.value) for t in trials] for trials in runs]
    assert facts[0] == facts[1]
    assert len({str(fact[1]) for fact in facts[0]}) == 9


def test_a_search_of_two_at_a_time_finds_the_region_of_the_optimum(
    searched: tuple[Path, Study, SearchResult],
) -> None:
    outcome = searched[2]
    assert outcome.best is not None
    assert len(outcome.trials) == 24
    assert outcome.best.params["fate"] in ("fine", "side-inf")
    assert outcome.trials[0].state is State.COMPLETE
    assert outcome.best.value < outcome.trials[0].value
    finished = [trial for trial in outcome.trials if trial.state is State.COMPLETE]
    assert outcome.best.value == min(trial.value for trial in finished)
    assert abs(outcome.best.params["x"] - 0.3) < 0.35
    assert {trial.state for trial in outcome.trials} == {State.COMPLETE, State.STOPPED, State.FAILED}


def test_the_journal_tells_the_whole_search_in_order(searched: tuple[Path, Study, SearchResult]) -> None:
    out, _, outcome = searched
    events = journal(out)
    assert events[0]["event"] == "study_started"
    counts = Counter(trial.state.value for trial in outcome.trials)
    ended = {"event": "study_ended", "time": "", "state": "complete", "reason": "", "trials": counts}
    assert events[-1] | {"time": ""} == ended
    for trial in outcome.trials:
        own = [event for event in events if event.get("trial") == trial.number]
        assert own[0]["event"] == "trial_started"
        assert own[0]["params"] == trial.params
        assert [event["epoch"] for event in own[1:-1]] == list(range(1, trial.epoch + 1))
        assert (own[-1]["event"], own[-1]["state"], own[-1]["reason"]) == (
            "trial_ended",
            trial.state,
            trial.reason,
        )
    assert any(event.get("metrics", {}).get("dev/loss") == "nan" for event in events)
    assert any(event.get("metrics", {}).get("seen") == "inf" for event in events)


class RayTrials:
    """A Ray Tune callback's view of a search: what Ray's own tools show."""

    def __init__(self) -> None:
        self.statuses: dict[str, list[str]] = {}  # by Ray's trial id, at each call
        self.trials: dict[str, Any] = {}
        self.actors = set[str]()

    @property
    def ends(self) -> dict[str, str]:
        """Each Ray trial's status now, by its name."""
        return {str(trial): trial.status for trial in self.trials.values()}

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Note every call of `StudyCallback` as well as passing it on."""
        for name in ("on_trial_start", "on_trial_result", "on_trial_complete", "on_trial_error"):
            monkeypatch.setattr(StudyCallback, name, self._noting(getattr(StudyCallback, name)))

    def _noting(self, call: Callable[..., None]) -> Callable[..., None]:
        def noting(callback: StudyCallback, *arguments: Any, **facts: Any) -> None:
            trial = facts["trial"]
            self.statuses.setdefault(trial.trial_id, []).append(trial.status)
            self.trials[trial.trial_id] = trial
            self.actors |= set(ray.util.list_named_actors())
            call(callback, *arguments, **facts)

        return noting


@pytest.fixture
def ray_trials(monkeypatch: pytest.MonkeyPatch) -> RayTrials:
    trials = RayTrials()
    trials.watch(monkeypatch)
    return trials


def test_a_search_of_twelve_trials_is_twelve_ray_trials_with_their_own_status(
    ray_trials: RayTrials, tmp_path: Path
) -> None:
    study = toy_study(trials=12, concurrency=2, retries=0)
    trials = search(study, tmp_path / "out", quiet()).trials
    assert {trial.state for trial in trials} == {State.COMPLETE, State.STOPPED}
    assert len(ray_trials.trials) == 12
    assert ray_trials.ends == {f"trial-{number:04d}": "TERMINATED" for number in range(12)}
    for statuses in ray_trials.statuses.values():
        assert set(statuses[1:]) == {"RUNNING"}  # Ray calls with the status before: pending at the begin
    reports = sum(len(statuses) - 2 for statuses in ray_trials.statuses.values())  # less begin and end
    assert reports == sum(trial.epoch for trial in trials)
    assert not any(name.startswith(PREFIX) for name in ray_trials.actors)  # no mailbox without stacks


def test_a_retry_is_another_ray_trial_and_named_so(ray_trials: RayTrials, tmp_path: Path) -> None:
    study = toy_study(
        trial="tests.tuner.support.failing:run", search={"fate": {"choice": ["dies", "fine"]}}, trials=2,
        points=[{"fate": "dies"}, {"fate": "fine"}], retries=2, concurrency=1, scheduler={"name": "none"},
        settings={"micro_batch": 64, "precision": "bfloat16", "deaths": str(tmp_path / "deaths")},
    )  # fmt: skip
    search(study, tmp_path / "out", quiet())
    assert ray_trials.ends == {
        "trial-0000": "ERROR", "trial-0000-attempt-2": "ERROR", "trial-0000-attempt-3": "TERMINATED",
        "trial-0001": "TERMINATED",
    }  # fmt: skip


def test_a_request_that_fits_nowhere_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match=r"resources: a trial needs 1000 cpu, 0 gpu on one machine, the cluster has"
    ):
        search(toy_study(resources={"cpu": 1000}), tmp_path / "out", quiet())
    assert not (tmp_path / "out").exists()


def test_a_trial_without_gpu_sees_none_and_stays_in_the_folder_it_was_started_in(tmp_path: Path) -> None:
    study = toy_study(
        trial="tests.tuner.support.probe:run",
        search={},
        trials=1,
        epochs=1,
        settings={"file": str(tmp_path / "seen.json")},
    )
    search(study, tmp_path / "out", quiet())
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert (seen["gpus"], seen["cwd"], seen["threads"]) == ("", os.getcwd(), "1")


def test_only_the_last_two_states_of_a_trial_are_kept(
    fates: dict[str, tuple[TrialRecord, Any]], states: Path
) -> None:
    trial, _ = fates["fine"]
    kept = sorted(path.name for path in (states / f"trials/{trial.number:04d}").iterdir())
    assert kept == ["0003", "0004"]


def test_default_is_the_first_of_a_search(searched: tuple[Path, Study, SearchResult]) -> None:
    assert searched[2].trials[0].params == {**DEFAULT, "fate": "side-inf"}
    assert set(SPACE) < set(searched[2].trials[0].params)
