"""The winner as a model in MLflow's registry: one version for each export, the last one the champion."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import pyfunc
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from pandas import DataFrame

ALIAS = "champion"


@dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    Attributes:
        experiment: id of the experiment.
        run: id of the run that trained it.
        name: of the registered model.
        tags: that its version carries.
    """

    experiment: str
    run: str
    name: str
    tags: Mapping[str, str]


def put_champion(client: Any, origin: Origin, exported: Path, as_mlflow_model: Mapping[str, Any]) -> None:
    """Log and register what was exported, unless that is done, and point the alias to it.

    Args:
        client: of MLflow.
        origin: where it comes from.
        exported: the folder with the export.
        as_mlflow_model: how to load it (`as_mlflow_model` in `tuner.trial`).
    Raises:
        MlflowException, OSError: the store does not take it.
        KeyError, ValueError: `as_mlflow_model` says too little.
    """
    folder = exported / as_mlflow_model["folder"]
    tags = {**origin.tags, "digest": digest(folder)}
    version = _version(client, origin, tags)
    if version is None:
        model = _logged(client, origin, tags) or _made(client, origin, tags)
        if model.status != "READY":
            with _packed(folder, as_mlflow_model) as packed:
                client.log_model_artifacts(model.model_id, str(packed))
            client.finalize_logged_model(model.model_id, "READY")
        version = _registered(client, origin, tags, model)
    client.set_registered_model_alias(origin.name, ALIAS, version)


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a folder's files."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return total.hexdigest()


def _version(client: Any, origin: Origin, tags: Mapping[str, str]) -> str | None:
    for version in client.search_model_versions(f"name = '{origin.name}'"):
        if tags.items() <= version.tags.items():
            return str(version.version)
    return None


def _logged(client: Any, origin: Origin, tags: Mapping[str, str]) -> Any:
    condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return next(iter(client.search_logged_models([origin.experiment], condition)), None)


def _made(client: Any, origin: Origin, tags: Mapping[str, str]) -> Any:
    model = client.create_logged_model(origin.experiment, origin.name, origin.run, dict(tags))
    client.log_outputs(origin.run, [LoggedModelOutput(model.model_id, step=0)])
    return model


@contextmanager
def _packed(folder: Path, as_mlflow_model: Mapping[str, Any]) -> Iterator[Path]:
    example = DataFrame(as_mlflow_model["input"])
    for name in ("mlflow.pyfunc", "mlflow.models", "mlflow.utils"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="fsd-tuner-") as above:
        packed = Path(above, "model")
        pyfunc.save_model(
            path=packed,
            loader_module=as_mlflow_model["loader"],
            data_path=str(folder),
            model_config=dict(as_mlflow_model.get("config") or {}) or None,
            signature=infer_signature(example, DataFrame(as_mlflow_model["output"])),
            input_example=example,
            pip_requirements=list(as_mlflow_model["requirements"]),
        )
        yield packed


def _registered(client: Any, origin: Origin, tags: Mapping[str, str], model: Any) -> str:
    with suppress(MlflowException):  # it is there; if that is not why, the next call says so
        client.create_registered_model(origin.name)
    # not `models:/ID`, which MLflow would look up in its default store
    made = client.create_model_version(
        origin.name, model.artifact_location, origin.run, tags=dict(tags), model_id=model.model_id
    )
    return str(made.version)
