"""Openings of the evaluation split as runs in a study's MLflow experiment.

Loaded through an entry point: whoever evaluates a detector knows nothing of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.study.load import load_study
from tuner.tracking.address import store_uri, tracking_uri

KIND = "opening"


def note_opening(folder: Path, opening: Mapping[str, Any]) -> None:
    """Add a finished run of kind `opening` below the run of the study in `folder`, if there is a study.

    Args:
        folder: where the opening was recorded.
        opening: tags of the run: when, which detector, which data.
    Raises:
        StudyError: the study's store holds no such experiment.
    """
    if not (folder / "study.yaml").is_file():
        return
    from tuner.tracking.client import open_client
    from tuner.tracking.tracking import find_experiment

    name, uri = load_study(str(folder / "study.yaml")).name, tracking_uri() or store_uri(folder)
    client, experiment = open_client(uri), find_experiment(folder, name, uri)
    tags = {key: str(value) for key, value in opening.items()}
    parents = client.search_runs([experiment], "tags.kind = 'study'", max_results=1)
    if parents:
        tags["mlflow.parentRunId"] = parents[0].info.run_id
    run = client.create_run(experiment, tags={**tags, "kind": KIND, "mlflow.runName": KIND, "study": name})
    client.set_terminated(run.info.run_id)
