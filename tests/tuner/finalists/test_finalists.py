"""A search with finalists: what it exports, says, tracks and spends, and how it goes on after a cut."""

from __future__ import annotations

import io
import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

from tests.tuner.support.studies import journal, quiet, toy_study
from tests.tuner.support.toy import loss
from tuner.commands.summary import exit_code, summary
from tuner.controller.budget import Spending, Spent, Stages, finals_s
from tuner.controller.controller import Controller
from tuner.controller.retry import RetryPolicy
from tuner.errors import StudyError
from tuner.finalists.finalists import SeedRounds, plan_finals, reason_not_run
from tuner.journal.record import State, StudyRecord, TrialRecord
from tuner.results.outcome import SearchResult, StageRun
from tuner.results.selection import ranked
from tuner.schedulers.factory import build_scheduler
from tuner.searchers.searcher import Searcher
from tuner.storage.storage import Storage
from tuner.study.load import load_study
from tuner.study.study import Study
from tuner.tracking.address import store_uri
from tuner.tracking.tracking import TRIALS_FILTER, find_experiment
from tuner.workflows.ablate import FixedPlan
from tuner.workflows.search import search, search_local
from tuner.workflows.train import train

SPACE: dict[str, Any] = {"x": {"float": [0.2, 0.45]}, "luck": {"float": [-1, 1]}}


def lucky_study(top: int = 3, seeds: int = 4, **changes: Any) -> Study:
    """Seeds move a configuration by its luck, by as much as configurations differ."""
    content = {
        "search": SPACE, "trials": 6, "epochs": 1, "sampler": {"name": "random", "seed": 4},
        "finalists": {"top": top, "seeds": seeds},
    }  # fmt: skip
    return toy_study(**content | changes)


def happened(out: Path) -> list[dict[str, Any]]:
    """What became of the runs, without clocks."""
    kept = [event for event in journal(out) if event["event"].startswith("trial_")]
    return [{k: v for k, v in e.items() if k not in ("time", "seconds")} for e in kept]


def told(out: Path) -> dict[str, Any]:
    return json.loads((out / "finalists.json").read_text())


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study, SearchResult]:
    out, study = tmp_path_factory.mktemp("raced") / "out", lucky_study()
    return out, study, search_local(study, out, quiet())


def test_the_finalists_are_the_best_trials_and_each_run_is_its_configuration_with_a_fresh_seed(raced) -> None:
    out, study, outcome = raced
    best = ranked(outcome.trials, study.metric)[:3]
    content = told(out)
    assert sorted(row["trial"] for row in content["candidates"]) == sorted(trial.number for trial in best)
    for row in content["candidates"]:
        ready = study.config(row["params"])
        for seed, value in row["values"].items():
            assert value == pytest.approx(loss({**ready, "seed": int(seed)}) + 0.36787944)
    assert outcome.finals is not None
    assert outcome.best.number == content["winner"] == outcome.finals.winner.number
    lowest = min(content["candidates"], key=lambda row: row["mean"] + row["standard_error"])
    assert lowest["trial"] == content["winner"]


def test_best_yaml_trains_the_winner_s_best_run_again(raced) -> None:
    out, _, outcome = raced
    best = load_study(str(out / "best.yaml"))
    said, values = best.origin["finalists"], outcome.finals.winner.values
    assert best.origin["trial"] == outcome.best.number
    assert best.origin["value"] == min(values.values()) == values[said["seed"]]
    assert best.settings["seed"] == said["seed"]
    assert said["selected"] == f"value is the best of {len(values)} runs; expect the mean"
    assert said["mean"] == outcome.finals.winner.mean
    assert said["seeds"] == list(values)
    assert said["runner_up"]["trial"] == outcome.finals.runner_up.number
    assert train(best, None, quiet()).same
    assert json.loads((out / "detector/model.json").read_text())["loss"] == best.origin["value"]


def test_the_summary_says_mean_interval_and_whether_the_difference_is_shown(raced) -> None:
    out, study, outcome = raced
    lines = summary(study, outcome, out)
    winner, between = outcome.finals.winner, outcome.finals.difference
    low, high = winner.interval
    assert lines[0].startswith(
        f"best        trial {winner.number}: dev/loss {winner.mean:.6g} +- {winner.error:.2g} (mean +-"
        f" standard error of {len(winner.values)} seeds; 95 % interval {low:.6g} to {high:.6g})"
    )
    assert lines[1].startswith(f"runner-up   trial {outcome.finals.runner_up.number}: ")
    verdict = "shown" if between.low > 0 or between.high < 0 else "not shown"
    assert lines[1].endswith(
        f"; minus the best {between.mean:+.4g} ({between.low:+.4g} to {between.high:+.4g}): {verdict}"
    )
    assert any(line.startswith("finalists   ") for line in lines)
    assert exit_code(outcome) == 0
    assert "| winner" in (out / "finalists.md").read_text()


def test_the_runs_are_tracked_in_the_search_s_store_apart_from_its_trials(raced) -> None:
    out, study, outcome = raced
    client, experiment = MlflowClient(tracking_uri=store_uri(out)), find_experiment(out, "toy")
    (parent,) = client.search_runs([experiment], "tags.kind = 'study'")
    (finals,) = client.search_runs([experiment], "tags.kind = 'finalists'")
    runs = client.search_runs([experiment], "tags.kind = 'finalist'")
    assert len(client.search_runs([experiment], TRIALS_FILTER)) == study.trials
    assert finals.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {finals.info.run_id}
    assert len(runs) == outcome.finals.runs
    assert finals.data.tags["best_trial"] == f"{outcome.best.number:04d}"
    assert "best_trial" not in parent.data.tags
    assert finals.data.metrics["best/mean"] == outcome.finals.winner.mean
    assert {each.path for each in client.list_artifacts(finals.info.run_id)} >= {"best.yaml", "finalists.md"}
    assert not (out / "finalists" / "mlflow.db").exists()
    assert {run.info.status for run in [parent, finals, *runs]} == {"FINISHED"}


@pytest.mark.slow
def test_cut_at_any_event_of_the_finals_it_ends_as_if_never_interrupted(tmp_path: Path) -> None:
    out, study = tmp_path / "out", lucky_study(top=2, seeds=2, trials=3)
    search_local(study, out, quiet())
    lines = (out / "finalists/journal.jsonl").read_text().splitlines(keepends=True)
    for kept in range(len(lines)):
        copy = tmp_path / f"{kept}"
        shutil.copytree(out, copy)
        (copy / "finalists/journal.jsonl").write_text("".join(lines[:kept]))
        search_local(study, copy, quiet(), resume=True)
        assert happened(copy / "finalists") == happened(out / "finalists")
        assert told(copy) == told(out)
        client, experiment = MlflowClient(tracking_uri=store_uri(copy)), find_experiment(copy, "toy")
        runs = client.search_runs([experiment], "tags.kind = 'finalist'")
        there = {(run.data.tags["candidate"], run.data.tags["seed"]) for run in runs}
        assert len(there) == 4
        assert len(runs) == 4 if kept else 8  # without its first line a journal is of another search


def interrupting(text: str) -> Console:
    """A console at which Ctrl-C is pressed when it prints `text`."""

    class Watched(io.StringIO):
        pressed = False

        def write(self, said: str) -> int:
            if text in said and not self.pressed:
                self.pressed = True
                signal.raise_signal(signal.SIGINT)
            return super().write(said)

    return Console(file=Watched(), width=300)


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("trial 4 complete", "not run: the search ended first"),
        ("run 1 complete", "not decided after 2 complete runs: the search ended first"),
    ],
)
def test_ctrl_c_leaves_the_search_s_own_winner_and_says_so(raced, tmp_path: Path, at: str, why: str) -> None:
    out, study = tmp_path / "out", raced[1]
    outcome = search_local(study, out, interrupting(at))
    assert outcome.undecided.startswith(why)
    assert outcome.finals is None
    said = "\n".join(summary(study, outcome, out))
    assert f"finalists   {outcome.undecided}; the best above is the search's own, by one run" in said
    assert load_study(str(out / "best.yaml")).origin["finalists"] == {"undecided": outcome.undecided}
    assert exit_code(outcome) == 128 + signal.SIGINT
    search_local(study, out, quiet(), resume=True)
    assert told(out) == told(raced[0])
    assert (
        load_study(str(out / "best.yaml")).origin["finalists"]["mean"] == told(out)["candidates"][0]["mean"]
    )


def test_ctrl_c_after_two_rounds_says_what_was_found_and_that_it_ended_early(raced, tmp_path: Path) -> None:
    out, study = tmp_path / "out", raced[1]
    outcome = search_local(study, out, interrupting("run 7 complete"))
    assert (outcome.finals.race.seeds, outcome.finals.runs) == ([1, 2], 8)
    said = "\n".join(summary(study, outcome, out))
    assert "; ended early: the search ended first" in said
    assert load_study(str(out / "best.yaml")).origin["finalists"]["ended"] == "the search ended first"


def test_other_finalists_on_a_resume_are_refused(raced, tmp_path: Path) -> None:
    copy = tmp_path / "out"
    shutil.copytree(raced[0], copy)
    other = lucky_study(top=2)
    with pytest.raises(StudyError, match="--resume: the finalists began with other candidates"):
        search_local(other, copy, quiet(), resume=True)


def test_one_complete_trial_has_no_finals(tmp_path: Path) -> None:
    study = lucky_study(
        trials=3,
        search={"fate": {"choice": ["fine", "fail"]}},
        default={"fate": "fine"},
        epochs=3,
        points=[{"fate": "fail"}, {"fate": "fail"}],
    )
    outcome = search_local(study, tmp_path / "out", quiet())
    assert outcome.undecided == "not run: finalists need 2 complete trials, got 1"
    assert outcome.best is not None
    assert not (tmp_path / "out" / "finalists").exists()
    assert load_study(str(tmp_path / "out/best.yaml")).origin["finalists"] == {"undecided": outcome.undecided}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"trial": "tests.tuner.support.probe:run"}, r"has no `reseeded`, which `finalists` need"),
        (
            {"scheduler": {"name": "pbt"}, "epochs": 2, "trials": 4},
            r"finalists: pbt changes settings",
        ),
    ],
)
def test_what_cannot_have_finalists_is_refused_before_anything_is_written(tmp_path, changes, rule) -> None:
    with pytest.raises(StudyError, match=rule):
        search_local(lucky_study(**changes), tmp_path / "out", quiet())
    assert not (tmp_path / "out").exists()


def test_a_searched_seed_is_fresh_for_every_candidate(tmp_path: Path) -> None:
    study = lucky_study(search={"seed": {"int": [1, 9]}}, trial="tests.tuner.support.seeds:run")
    record = StudyRecord("dev/loss")
    record.trials = {each: complete(each, 1, params={"seed": each}, value=each) for each in (1, 3, 4, 5)}
    finals = plan_finals(StageRun(study, record, Storage(str(tmp_path)), tmp_path, False), study.finalists)
    assert finals.seeds == {seed: {"seed": seed} for seed in (2, 5, 6, 7)}
    assert finals.config({"candidate": 3, "seed": 6}) == {"seed": 6, "epochs": 1}


def complete(number: int, seconds: float, **content: Any) -> TrialRecord:
    return TrialRecord(number, **{"params": {}, **content}, state=State.COMPLETE, seconds=seconds)


def test_the_search_leaves_of_its_budget_what_the_finals_need_but_at_least_half() -> None:
    study = lucky_study(top=2, seeds=5, budget={"wall_hours": 1.0}, resources={"gpu": 0.5})
    trials = [complete(0, 100), complete(1, 140), TrialRecord(2, {}, seconds=900)]
    assert finals_s(study, trials) == 10 * 120
    assert finals_s(study, trials[2:]) == finals_s(toy_study(), trials) == 0
    now = [0.0]
    spending = Spending(study, lambda: now[0], Stages(slots=2))
    for now[0], over in (
        (2999.0, ""),
        (3001.0, "the budget is spent: 1 hours minus 0.167 for the finalists"),
    ):
        assert spending.over(1200) == over
    now[0] = 1799.0
    assert spending.over(1e9) == ""
    now[0] = 0.0
    gpu = Spending(lucky_study(budget={"gpu_hours": 1.0}, resources={"gpu": 0.5}), lambda: now[0])
    gpu.began(0)
    now[0] = 7200 - 1201
    assert gpu.over(1200) == ""
    now[0] = 7200 - 1199
    assert gpu.over(1200).startswith("the budget is spent: 1 GPU hours minus 0.167")


def test_what_the_search_spent_counts_in_the_finals() -> None:
    study, now = lucky_study(budget={"wall_hours": 1.0, "gpu_hours": 1.0}, resources={"gpu": 1}), [0.0]
    wall = Spending(study, lambda: now[0], Stages(Spent(wall_hours=3000 / 3600)))
    gpu = Spending(study, lambda: now[0], Stages(Spent(gpu_hours=3200 / 3600)))
    gpu.began(0)
    for now[0], of_gpu, of_wall in (
        (399.0, "", ""),
        (401.0, "1 GPU hours", ""),
        (601.0, "1 GPU hours", "1 hours"),
    ):
        assert gpu.over() == (f"the budget is spent: {of_gpu}" if of_gpu else "")
        assert wall.over() == (f"the budget is spent: {of_wall}" if of_wall else "")


def timed(study: Study, source: Searcher, seconds: float, earlier: Spent) -> Controller:
    """A controller whose trials, one at a time, take `seconds` each by a clock of its own."""
    now = [0.0]
    record = StudyRecord(study.metric.name)
    controller = Controller(
        study, source, build_scheduler(study), record, None, RetryPolicy(0, None), lambda: now[0],
        Stages(earlier),
    )  # fmt: skip
    while (attempt := controller.next_attempt()) is not None:
        controller.began(attempt)
        now[0] += seconds
        controller.reported(attempt, 1, {"dev/loss": 0.1 + attempt.number / 100}, None)
    return controller


def test_one_budget_covers_the_search_and_its_finals(tmp_path: Path) -> None:
    study = lucky_study(top=2, seeds=2, trials=9, budget={"gpu_hours": 1.0}, resources={"gpu": 1.0})
    searched = timed(study, FixedPlan([{"x": 0.1}] * 9), 600, Spent())
    assert searched.halted == "the budget is spent: 1 GPU hours minus 0.5 for the finalists"
    assert searched.spent().gpu_hours == 0.5
    where = (searched.record, Storage(str(tmp_path)), tmp_path, False)
    driven = StageRun(study, *where, searched.spent(), searched.halted, searched.budget_over)
    assert reason_not_run(driven) == ""
    assert study.finalists is not None
    finals = plan_finals(driven, study.finalists)
    assert list(finals.candidates) == [0, 1]
    raced = timed(finals, SeedRounds(finals), 600, searched.spent())
    assert raced.halted == "the budget is spent: 1 GPU hours"
    assert [run.params["candidate"] for run in raced.record.ordered] == [0, 1, 0]
    assert "first" in reason_not_run(
        replace(driven, halted="the first 3 trials failed alike", budget_over=False)
    )


@pytest.mark.slow
def test_on_ray_the_finals_are_those_of_one_process(raced, ray_cluster: None, tmp_path: Path) -> None:
    study = raced[1].model_copy(update={"concurrency": 2})
    outcome = search(study, tmp_path / "out", quiet())
    there, here = told(tmp_path / "out"), told(raced[0])
    assert there == here
    assert outcome.best.number == here["winner"]
    resumed = search(study, tmp_path / "out", quiet(), resume=True)
    assert resumed.finals == outcome.finals
    assert told(tmp_path / "out") == here
