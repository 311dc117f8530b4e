"""Files and the dataset of a run in MLflow; each is there once, however often it is put there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

_DIGEST = 36  # characters that MLflow keeps


def upload(client: Any, run: str, files: Iterable[Path], below: str | None = None) -> None:
    """Put files and whole folders that are there below a folder of a run; folders keep their names.

    Args:
        client: of MLflow.
        run: id of the run.
        files: on this machine; one that is missing is left out.
        below: name of a folder in the run, None for none.
    """
    for path in files:
        if path.is_dir():
            client.log_artifacts(run, str(path), "/".join(filter(None, (below, path.name))))
        elif path.is_file():
            client.log_artifact(run, str(path), below)


def log_dataset(client: Any, run: str, facts: Mapping[str, Any], name: str) -> None:
    """Say which data a run was trained on, where the trial's facts do.

    Args:
        client: of MLflow.
        run: id of the run.
        facts: `data_digest`, and perhaps `dataset` (a name) and `data_source` (a place).
        name: of data that has none.
    """
    digest = str(facts.get("data_digest") or "")
    if not digest:
        return
    source = json.dumps({"uri": str(facts.get("data_source") or "")})
    title, whole = str(facts.get("dataset") or name), json.dumps({"digest": digest})
    dataset = Dataset(name=title, digest=digest[:_DIGEST], source_type="local", source=source, profile=whole)
    context = InputTag(key="mlflow.data.context", value="training")
    client.log_inputs(run, datasets=[DatasetInput(dataset=dataset, tags=[context])])
