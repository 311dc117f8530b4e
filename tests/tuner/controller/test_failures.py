"""Failures of trials in whole searches, as journal, Optuna, MLflow and summary record them."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from tests.tuner.support.failing import LOSS
from tests.tuner.support.studies import journal, quiet, toy_study
from tests.tuner.tracking.test_tracking import runs_of
from tuner.commands.summary import exit_code, summary
from tuner.controller.lifecycle import TrialLifecycle
from tuner.journal.record import State, TrialRecord
from tuner.searchers.optuna_searcher import OptunaSearcher
from tuner.study.study import Study
from tuner.tracking.address import STORE
from tuner.tracking.tracking import TRIALS_FILTER
from tuner.workflows.search import SearchResult, search, search_local

FATES = ["fine", "memory", "late-memory", "hungry", "half", "nan", "overflow", "broken"]


def failing_study(fates: list[str], **changes: Any) -> Study:
    """One trial of each fate, in this order, one after another."""
    settings = {"micro_batch": 64, "precision": "bfloat16", **changes.pop("settings", {})}
    content = {
        "trial": "tests.tuner.support.failing:run", "scheduler": {"name": "none"}, "concurrency": 1,
        "search": {"fate": {"choice": [*FATES, "dies"]}}, "trials": len(fates),
        "points": [{"fate": fate} for fate in fates], "settings": settings,
    }  # fmt: skip
    return toy_study(**content | changes)


@dataclass(frozen=True)
class Searched:
    """A finished search and what it told Optuna."""

    out: Path
    study: Study
    outcome: SearchResult
    sampler: OptunaSearcher

    @property
    def trials(self) -> dict[str, TrialRecord]:
        return {trial.params["fate"]: trial for trial in self.outcome.trials}

    def told(self, fate: str) -> Any:
        return self.sampler.study.trials[self.trials[fate].number]

    def retried(self, fate: str) -> list[dict[str, Any]]:
        number = self.trials[fate].number
        return [e for e in journal(self.out) if e["event"] == "trial_retried" and e["trial"] == number]

    def tags(self) -> dict[str, dict[str, str]]:
        runs = runs_of(self.out, "toy", TRIALS_FILTER)
        return {run.data.params["fate"]: {**run.data.tags, "status": run.info.status} for run in runs}

    def summary(self) -> list[str]:
        return summary(self.study, self.outcome, self.out)


class Untracked:
    """In the place of MLflow."""

    def __enter__(self) -> Untracked:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing."""

    def on_event(self, event: object) -> None:
        """Nothing."""


@pytest.fixture
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.workflows.stage._tracking", lambda *arguments: Untracked())


def searched_with(study: Study, out: Path, run: Any = search_local) -> Searched:
    samplers: list[OptunaSearcher] = []

    def remembered(*arguments: Any) -> OptunaSearcher:
        samplers.append(OptunaSearcher(*arguments))
        return samplers[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.workflows.search._sampler", remembered)
        outcome = run(study, out, quiet())
    return Searched(out, study, outcome, samplers[0])


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Searched:
    out = tmp_path_factory.mktemp("failures")
    shutil.copy(empty_store, out / STORE)
    return searched_with(failing_study(FATES), out)


@pytest.mark.parametrize(
    ("fate", "lost", "changed"),
    [
        ("fine", {}, {}),
        ("memory", {"memory": 3}, {"micro_batch": 8}),
        ("late-memory", {"memory": 3}, {"micro_batch": 8}),
        ("hungry", {"memory": 6}, {"micro_batch": 1}),
        ("half", {"not-finite": 1}, {"precision": "float32"}),
        ("nan", {"not-finite": 1}, {"precision": "float32"}),
        ("overflow", {"not-finite": 1}, {"precision": "float32"}),
        ("broken", {}, {}),
    ],
)
def test_attempts_are_counted_in_the_journal_and_in_mlflow(
    failed: Searched, fate: str, lost: dict[str, int], changed: dict[str, Any]
) -> None:
    trial, retried, tags = failed.trials[fate], failed.retried(fate), failed.tags()[fate]
    assert (dict(trial.retries), trial.changes) == (lost, changed)
    assert Counter(event["cause"] for event in retried) == lost
    assert all(event["reason"] and event["seconds"] >= 0 for event in retried)
    assert tags.get("retries", "0") == str(sum(lost.values()))
    assert {key for key in tags if key.startswith("retries.")} == {f"retries.{cause}" for cause in lost}
    assert all(tags[f"retries.{cause}"] == str(count) for cause, count in lost.items())
    assert {k: v for k, v in tags.items() if k.startswith("changed.")} == {
        f"changed.{path}": str(value) for path, value in changed.items()
    }
    assert tags.get("retry_reason") == (retried[-1]["reason"] if lost else None)


@pytest.mark.parametrize("fate", ["fine", "memory", "late-memory", "half"])
def test_a_trial_that_could_be_helped_is_as_good_as_any(failed: Searched, fate: str) -> None:
    trial, told = failed.trials[fate], failed.told(fate)
    curve = {epoch: LOSS.get(fate, 0.6) + math.exp(-epoch) for epoch in range(1, 5)}
    assert trial.state is State.COMPLETE
    assert trial.values == curve
    assert (told.state, told.value, told.intermediate_values) == (TrialState.COMPLETE, curve[4], curve)
    reports = [
        e for e in journal(failed.out) if e["event"] == "trial_reported" and e["trial"] == trial.number
    ]
    assert [event["epoch"] for event in reports] == [1, 2, 3, 4]
    assert failed.tags()[fate]["status"] == "FINISHED"


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        ("hungry", "MemoryError (in full: "),
        ("nan", "dev/loss is nan at epoch 2"),
        ("overflow", "FloatingPointError: the loss is inf in float32 (in full: "),
        ("broken", "RuntimeError: width None does not work (in full: "),
    ],
)
def test_a_trial_that_could_not_be_helped_has_failed_with_the_reason(
    failed: Searched, fate: str, reason: str
) -> None:
    trial, tags = failed.trials[fate], failed.tags()[fate]
    assert trial.state is State.FAILED
    assert trial.reason.startswith(reason)
    assert failed.told(fate).state is TrialState.FAIL
    assert (tags["status"], tags["state"], tags["stop_reason"]) == ("FAILED", "failed", trial.reason)


def test_the_changes_of_the_winner_are_in_its_study_file(failed: Searched) -> None:
    best = failed.outcome.best
    assert best is not None
    assert best.params["fate"] == "half"
    assert "precision: float32" in (failed.out / "best.yaml").read_text()


def test_the_summary_counts_attempts_by_cause_and_trials(failed: Searched) -> None:
    lines = failed.summary()
    assert "retried     15 lost attempts (12 memory, 3 not-finite)" in lines
    assert "failed      4 of 8 trials" in lines
    assert exit_code(failed.outcome) == 0


def test_the_same_traceback_in_the_first_three_ends_the_search_and_is_shown_once(
    untracked: None, tmp_path: Path
) -> None:
    study = failing_study(["broken"] * 3 + ["fine"] * 3, search={
        "fate": {"choice": FATES}, "width": {"int": [1, 9]},
    }, points=[{"fate": "broken", "width": width} for width in (1, 2, 3)])  # fmt: skip
    searched = searched_with(study, tmp_path / "out")
    assert [trial.state for trial in searched.outcome.trials] == [State.FAILED] * 3
    text = "\n".join(searched.summary())
    assert text.count("Traceback (most recent call last):") == 1
    assert text.count("in _meet") == 1
    assert text.count("\nRuntimeError: width 3 does not work\n") == 1
    assert text.count("the first 3 trials failed with the same error: RuntimeError: width 3") == 1
    assert "first failure" not in text
    assert "failed      3 of 3 trials" in text
    assert "--resume" in text
    assert exit_code(searched.outcome) == 1


def test_memory_that_never_suffices_ends_a_search_as_well(untracked: None, tmp_path: Path) -> None:
    searched = searched_with(failing_study(["hungry"] * 5), tmp_path / "out")
    assert [sum(trial.retries.values()) for trial in searched.outcome.trials] == [6, 6, 6]
    text = "\n".join(searched.summary())
    assert "the first 3 trials failed with the same error: MemoryError" in text
    assert text.count("Traceback") == 1  # of 21 attempts
    assert "retried     18 lost attempts (18 memory)" in text


def test_other_ends_among_the_first_three_let_a_search_go_on(untracked: None, tmp_path: Path) -> None:
    searched = searched_with(failing_study(["broken", "fine", "broken", "broken"]), tmp_path / "out")
    assert len(searched.outcome.trials) == 4
    assert searched.outcome.halted == ""


def test_whoever_resumes_after_that_end_gets_three_more_trials(untracked: None, tmp_path: Path) -> None:
    study = failing_study(["broken"] * 8)
    searched_with(study, tmp_path / "out")
    again = search_local(study, tmp_path / "out", quiet(), resume=True)
    assert len(again.trials) == 6
    assert again.halted.startswith("the first 3 trials failed with the same error")


def test_after_a_crash_the_next_attempt_knows_what_failures_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:
    study, out = failing_study(["late-memory"], settings={"at": 3}), tmp_path
    shutil.copy(empty_store, out / STORE)
    retry = TrialLifecycle.retry

    def crash(lifecycle: TrialLifecycle, trial: TrialRecord, *arguments: Any) -> None:
        retry(lifecycle, trial, *arguments)
        if trial.retries["memory"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrialLifecycle, "retry", crash)
        with pytest.raises(KeyboardInterrupt):
            search_local(study, out, quiet())
    lines = (out / "journal.jsonl").read_text().splitlines(keepends=True)
    assert [json.loads(line)["event"] for line in lines[-2:]] == ["trial_ended", "study_ended"]
    (out / "journal.jsonl").write_text("".join(lines[:-2]))
    (trial,) = search_local(study, out, quiet(), resume=True).trials
    assert (trial.state, trial.changes) == (State.COMPLETE, {"micro_batch": 8})
    assert dict(trial.retries) == {"memory": 3}
    assert list(trial.values) == [1, 2, 3, 4]
    (run,) = runs_of(out, "toy", TRIALS_FILTER)
    assert (run.info.status, run.data.tags["state"]) == ("FINISHED", "complete")
    assert (run.data.tags["retries"], run.data.tags["retries.memory"]) == ("3", "3")


@pytest.mark.slow
def test_on_ray_failures_cost_the_same_and_a_process_may_die_twice(ray_cluster: None, tmp_path: Path) -> None:
    fates = ["dies", "memory", "half", "nan", "broken"]
    study = failing_study(fates, settings={"deaths": str(tmp_path / "deaths")})
    searched = searched_with(study, tmp_path / "out", search)
    assert {fate: dict(trial.retries) for fate, trial in searched.trials.items()} == {
        "dies": {"lost": 2}, "memory": {"memory": 3}, "half": {"not-finite": 1}, "nan": {"not-finite": 1},
        "broken": {},
    }  # fmt: skip
    for fate in ("dies", "memory", "half"):
        trial = searched.trials[fate]
        assert trial.state is State.COMPLETE
        assert list(trial.values) == [1, 2, 3, 4]
        assert searched.told(fate).state is TrialState.COMPLETE
    assert [searched.trials[fate].state for fate in ("nan", "broken")] == [State.FAILED] * 2
    tags = searched.tags()
    assert (tags["dies"]["retries"], tags["dies"]["retries.lost"]) == ("2", "2")
    assert {each["status"] for each in tags.values()} == {"FINISHED", "FAILED"}
    assert "retried     7 lost attempts (2 lost, 3 memory, 2 not-finite)" in searched.summary()
    assert searched.retried("dies")[0]["reason"].startswith("the worker process died")
