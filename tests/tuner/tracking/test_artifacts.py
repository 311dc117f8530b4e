"""Files, datasets and the winner's model in MLflow, read back from a real store after real searches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient, pyfunc
from mlflow.entities import Run
from pandas import DataFrame

from tests.tuner.support.leaving import DIGEST
from tests.tuner.support.studies import quiet, toy_study
from tuner.study.study import Study
from tuner.tracking import trial_artifacts
from tuner.tracking.address import store_uri
from tuner.tracking.tracking import attach, find_experiment
from tuner.workflows.search import SearchResult, search_local

NAME = "leaving"


def study(trials: int = 3, **changes: Any) -> Study:
    return toy_study(
        name=NAME, trial="tests.tuner.support.leaving:run", epochs=2, trials=trials,
        search={"x": {"float": [0, 1]}}, metric={"name": "loss", "mode": "min"},
        sampler={"name": "random", "seed": 1}, scheduler={"name": "none"}, **changes,
    )  # fmt: skip


def runs(out: Path, kind: str = "trial") -> list[Run]:
    client = MlflowClient(store_uri(out))
    condition = f"tags.kind = '{kind}'"
    return list(client.search_runs([find_experiment(out, NAME)], condition, order_by=["tags.trial_id"]))


def files(out: Path, run: Run, below: str = "") -> list[str]:
    found: list[str] = []
    for each in MlflowClient(store_uri(out)).list_artifacts(run.info.run_id, below):
        found += files(out, run, each.path) if each.is_dir else [each.path]
    return found


def stored(out: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Return runs and tags of model versions as the store has them, without its own ids."""
    client, found = MlflowClient(store_uri(out)), []
    for run in [*runs(out, "study"), *runs(out)]:
        points = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        found.append(
            {
                "params": run.data.params,
                "points": {key: [(p.step, p.timestamp, p.value) for p in points[key]] for key in points},
                "tags": {key: value for key, value in run.data.tags.items() if "parent" not in key},
                "data": [(used.dataset.name, used.dataset.digest) for used in run.inputs.dataset_inputs],
                "ended": (run.info.status, run.info.start_time, run.info.end_time),
                "files": files(out, run),
                "models": len(run.outputs.model_outputs),
            }
        )
    return found, [version.tags for version in client.search_model_versions(f"name = '{NAME}'")]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResult]:
    out = tmp_path_factory.mktemp("left") / "out"
    return out, search_local(study(), out, quiet())


def test_each_trial_s_run_has_what_its_last_state_left_and_what_is_drawn_of_it(
    searched: tuple[Path, SearchResult],
) -> None:
    out, outcome = searched
    client = MlflowClient(store_uri(out))
    for trial, run in zip(outcome.trials, runs(out), strict=True):
        assert files(out, run) == ["config.json", "deep/epoch.txt", "figure.svg"]
        folder = Path(client.download_artifacts(run.info.run_id, ""))
        assert json.loads((folder / "config.json").read_text())["x"] == trial.params["x"]
        assert (folder / "deep" / "epoch.txt").read_text() == "2"
        assert (folder / "figure.svg").read_text() == f"<svg>{trial.params['x']}</svg>"


def test_trials_and_study_name_their_data_with_its_digest(searched: tuple[Path, SearchResult]) -> None:
    for run in [*runs(searched[0]), *runs(searched[0], "study")]:
        (used,) = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("small", DIGEST[:36])
        assert json.loads(used.dataset.profile) == {"digest": DIGEST}
        assert json.loads(used.dataset.source) == {"uri": "/data/small"}
        assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]


def test_the_champion_is_the_winner_with_signature_and_example(
    searched: tuple[Path, SearchResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, outcome = searched
    assert outcome.best is not None
    client = MlflowClient(store_uri(out))
    version = client.get_model_version_by_alias(NAME, "champion")
    best = runs(out)[outcome.best.number]
    assert version.run_id == best.info.run_id
    assert [made.model_id for made in best.outputs.model_outputs] == [
        model.model_id for model in client.search_logged_models([find_experiment(out, NAME)])
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri(out))
    model = pyfunc.load_model(f"models:/{NAME}@champion")
    assert model.predict(DataFrame({"a": [1.0]}))["sum"].tolist() == [1.0 + outcome.best.params["x"]]
    assert model.metadata.get_input_schema().input_names() == ["a"]
    assert model.metadata.get_output_schema().input_names() == ["sum"]
    example = model.metadata.load_input_example(version.source)
    assert example["a"].tolist() == [1.0, 2.0]


def test_a_resumed_search_has_everything_once_and_a_rebuilt_store_says_the_same(tmp_path: Path) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    settings = {"target": 0.628}  # the third trial draws 0.6279
    first = search_local(study(2, settings=settings), out, quiet())
    last = search_local(study(3, settings=settings), out, quiet(), resume=True)
    assert first.best is not None
    assert last.best is not None
    assert (first.best.number, last.best.number) == (1, 2)
    (parent, *trials), versions = stored(out)
    assert len(trials) == 3
    assert len({tags["digest"] for tags in versions}) == len(versions) == 2
    shutil.copytree(out, again)
    (again / "mlflow.db").unlink()
    shutil.rmtree(again / "artifacts")
    search_local(study(3, settings=settings), again, quiet(), resume=True)
    (rebuilt, *same), registered = stored(again)
    assert len(registered) == 1  # what the first session's winner exported is no longer there
    for key in trials[0].keys() - {"models"}:
        assert [each[key] for each in same] == [each[key] for each in trials], key
    assert rebuilt["files"] == parent["files"]
    assert rebuilt["data"] == parent["data"]
    champions = [
        MlflowClient(store_uri(each)).get_model_version_by_alias(NAME, "champion") for each in (out, again)
    ]
    assert champions[0].tags == champions[1].tags


def test_what_cannot_be_had_is_noted_and_the_rest_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_local(study(1, settings={"flaw": "figures"}), tmp_path / "a", quiet())
    (run,) = runs(tmp_path / "a")
    assert run.data.tags["artifacts_left_out"] == "draw_plots: no ink"
    assert files(tmp_path / "a", run) == ["config.json", "deep/epoch.txt"]
    assert run.info.status == "FINISHED"
    monkeypatch.setattr(trial_artifacts, "_MAX_BYTES", 3)
    search_local(study(1), tmp_path / "b", quiet())
    (run,) = runs(tmp_path / "b")
    assert "MiB are more than" in run.data.tags["artifacts_left_out"]
    assert files(tmp_path / "b", run) == []
    assert len(run.inputs.dataset_inputs) == 1


def test_reports_in_the_folder_and_what_is_attached_later_are_on_the_study_s_run(
    searched: tuple[Path, SearchResult], tmp_path: Path
) -> None:
    out = searched[0]
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves" / "a.svg").write_text("<svg/>")
    (tmp_path / "page.html").write_text("<html/>")
    given = [tmp_path / "curves", tmp_path / "page.html", tmp_path / "missing.html"]
    for _ in range(2):
        attach(out, NAME, given, "report")
    (run,) = runs(out, "study")
    assert {"report/page.html", "report/curves/a.svg", "best.yaml", "study.yaml"} <= set(files(out, run))
