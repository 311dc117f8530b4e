"""Everything that an MLflow store holds of one experiment, comparable between stores."""

from __future__ import annotations

from typing import Any

from mlflow import MlflowClient

_STORE_S_OWN = ("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit")


def content(uri: str, experiment: str, artifacts: bool = True) -> list[dict[str, Any]]:
    """One dict a run, the study's own first; nothing that two stores cannot share, such as run ids.

    Args:
        uri: of the store.
        experiment: its name.
        artifacts: whether the names of artifacts are wanted.
    """
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = list(client.search_runs([found.experiment_id], max_results=1000))
    names = {run.info.run_id: run.data.tags.get("trial_id", "") for run in runs}
    rows = [_row(client, run, names, artifacts) for run in runs]
    return sorted(rows, key=lambda row: (row["tags"].get("trial_id", ""), row["start"]))


def points(row: dict[str, Any], metric: str) -> list[int]:
    """The steps at which a run has a point of a metric, one for each params."""
    return [step for step, _, _ in row["metrics"].get(metric, [])]


def _row(client: MlflowClient, run: Any, names: dict[str, str], artifacts: bool) -> dict[str, Any]:
    tags = {key: value for key, value in run.data.tags.items() if key not in _STORE_S_OWN}
    if "mlflow.parentRunId" in tags:
        tags["mlflow.parentRunId"] = names[tags["mlflow.parentRunId"]]
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    return {
        "status": run.info.status,
        "start": run.info.start_time,
        "end": run.info.end_time,
        "params": run.data.params,
        "tags": tags,
        "last": run.data.metrics,
        "metrics": {k: sorted((m.step, m.timestamp, m.value) for m in each) for k, each in histories.items()},
        "artifacts": sorted(a.path for a in client.list_artifacts(run.info.run_id)) if artifacts else [],
    }
