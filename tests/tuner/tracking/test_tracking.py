"""What a real store holds after a real search."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.tuner.support.studies import quiet, toy_study
from tests.tuner.support.toy import loss
from tuner.errors import StudyError
from tuner.journal.record import State
from tuner.study.study import Study
from tuner.tracking.address import store_uri
from tuner.tracking.tracking import TRIALS_FILTER, find_experiment
from tuner.workflows.search import SearchResult, search_local

Searched = tuple[Path, Study, SearchResult]


def runs_of(out: Path, name: str, condition: str) -> list[Run]:
    client = MlflowClient(tracking_uri=store_uri(out))
    return list(client.search_runs([find_experiment(out, name)], condition, order_by=["tags.trial_id"]))


@pytest.fixture(scope="module")
def parent(searched: Searched) -> Run:
    (run,) = runs_of(searched[0], "toy", "tags.kind = 'study'")
    return run


@pytest.fixture(scope="module")
def children(searched: Searched) -> list[Run]:
    return runs_of(searched[0], "toy", TRIALS_FILTER)


def test_there_is_one_run_per_trial_below_one_for_the_study(
    searched: Searched, parent: Run, children: list[Run]
) -> None:
    trials = searched[2].trials
    assert len(runs_of(searched[0], "toy", "")) == len(trials) + 1
    assert [run.data.tags["trial_id"] for run in children] == [f"{trial.number:04d}" for trial in trials]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}


def test_every_run_is_over_and_says_how(searched: Searched, parent: Run, children: list[Run]) -> None:
    status = {State.COMPLETE: "FINISHED", State.STOPPED: "FINISHED", State.FAILED: "FAILED"}
    for trial, run in zip(searched[2].trials, children, strict=True):
        assert run.info.status == status[trial.state]
        assert run.data.tags["state"] == trial.state
        assert run.data.tags["stop_reason"] == trial.reason
    assert parent.info.status == "FINISHED"


def test_every_run_has_the_trial_s_own_metrics_and_one_point_per_epoch(
    searched: Searched, children: list[Run]
) -> None:
    client = MlflowClient(tracking_uri=store_uri(searched[0]))
    for trial, run in zip(searched[2].trials, children, strict=True):
        own = {"dev/loss", "dev/accuracy", "seen"}
        assert {key for key in run.data.metrics if not key.startswith(("best/", "cost/"))} == own
        for key in own:
            history = {m.step: m.value for m in client.get_metric_history(run.info.run_id, key)}
            bad = {"nan": "dev/loss", "side-inf": "seen"}.get(trial.params["fate"])
            epochs = [e for e in range(1, trial.epoch + 1) if not (key == bad and e == 2)]
            assert sorted(history) == epochs
            assert all(math.isfinite(value) for value in history.values())
            if key == "dev/loss":
                expected = {
                    epoch: loss(searched[1].config(trial.params)) + math.exp(-epoch) for epoch in epochs
                }
                assert history == expected


def test_the_best_report_comes_last_under_names_of_its_own_at_its_epoch(
    searched: Searched, children: list[Run]
) -> None:
    client = MlflowClient(tracking_uri=store_uri(searched[0]))
    for trial, run in zip(searched[2].trials, children, strict=True):
        finite = {epoch: value for epoch, value in trial.values.items() if math.isfinite(value)}
        epoch = min(finite, key=lambda each: finite[each])
        for key in ("dev/loss", "dev/accuracy", "epoch"):
            (point,) = client.get_metric_history(run.info.run_id, f"best/{key}")
            assert (point.step, point.timestamp) == (epoch, run.info.end_time)
        assert run.data.metrics["best/dev/loss"] == finite[epoch]
        assert run.data.metrics["best/dev/accuracy"] == 1 - finite[epoch]
        assert run.data.metrics["best/epoch"] == epoch
        assert run.data.metrics["cost/seconds"] == pytest.approx(trial.seconds)
        assert run.data.metrics["cost/gpu_hours"] == 0


def test_only_what_is_searched_is_a_parameter(searched: Searched, children: list[Run]) -> None:
    for trial, run in zip(searched[2].trials, children, strict=True):
        cuts = trial.params["cuts"]
        assert run.data.params == {
            "x": str(trial.params["x"]),
            "optim.rate": str(trial.params["optim.rate"]),
            "width": str(trial.params["width"]),
            "kind": trial.params["kind"],
            "fate": trial.params["fate"],
            "cuts": str(cuts),
            **{f"cut_{i}": str(cut) for i, cut in enumerate(cuts, start=1)},
            "n_exits": str(len(cuts) + 1),
        }


def test_the_study_s_run_has_the_best_value_the_counts_and_both_files(
    searched: Searched, parent: Run
) -> None:
    out, _, outcome = searched
    assert outcome.best is not None
    counts = {state: sum(trial.state is state for trial in outcome.trials) for state in State}
    figures = {name: value for name, value in parent.data.metrics.items() if not name.startswith("rungs/")}
    assert figures == {
        "best/dev/loss": outcome.best.value,
        "trials/complete": counts[State.COMPLETE],
        "trials/stopped": counts[State.STOPPED],
        "trials/failed": counts[State.FAILED],
        "trials/interrupted": 0,
    }
    assert parent.data.tags["best_trial"] == f"{outcome.best.number:04d}"
    stored = list((out / "artifacts").rglob("*.yaml"))
    assert {path.name for path in stored} == {"best.yaml", "study.yaml"}
    for path in stored:
        assert path.read_text() == (out / path.name).read_text()


def test_the_environment_names_another_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri(tmp_path))
    search_local(toy_study(name="elsewhere", trials=2), tmp_path / "out", quiet())
    assert not (tmp_path / "out" / "mlflow.db").exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert len(runs_of(tmp_path, "elsewhere", TRIALS_FILTER)) == 2


def test_a_store_that_cannot_be_opened_is_one_line_and_leaves_the_folder_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://x")
    with pytest.raises(StudyError, match=r"MLflow: .*check MLFLOW_TRACKING_URI"):
        search_local(toy_study(), tmp_path / "out", quiet())
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    search_local(toy_study(trials=1), tmp_path / "out", quiet())


def test_an_mlflow_error_in_mid_search_costs_warnings_and_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import BAD_REQUEST

    def broken(*args: object, **kwargs: object) -> None:
        raise MlflowException("the store is full of holes", BAD_REQUEST)

    monkeypatch.setattr(MlflowClient, "log_batch", broken)
    study = toy_study(trials=2, scheduler={"name": "none"})
    outcome = search_local(study, tmp_path / "out", quiet())
    assert [trial.state for trial in outcome.trials] == [State.COMPLETE] * 2
    warnings = capsys.readouterr().err.splitlines()
    first = "warning: MLflow: the store is full of holes; left out: "
    assert warnings[0] == f"{first}study_started"
    assert {f"{first}trial_{what}" for what in ("started", "reported", "ended")} <= set(warnings)
    assert warnings[-1].endswith(" events were refused and left out; they are in the journal")
    assert len(warnings) == len(set(warnings))


def test_no_telemetry() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
