"""The winner as a model in MLflow's registry: one version per export, the last one is the champion.

Not by `mlflow.pyfunc.log_model`: that uses the active run and the tracking URI of the whole process, which
are the user's, and it cannot complete a model that an earlier attempt has logged but not registered.
"""

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
class ModelOrigin:
    """Where a model comes from.

    Attributes:
        experiment: id of the experiment.
        run: id of the run that trained it.
        name: of the registered model.
        tags: of its version.
    """

    experiment: str
    run: str
    name: str
    tags: Mapping[str, str]


def register_model(client: Any, origin: ModelOrigin, exported: Path, served: Mapping[str, Any]) -> None:
    """Log and register an export, unless that is done already, and set the alias to it.

    Args:
        client: MLflow client.
        origin: where the model comes from.
        exported: folder with the export.
        served: how to load it, as returned by the trial's `as_mlflow_model` (see `tuner.trial`).
    Raises:
        MlflowException, OSError: the store refuses it or is unreachable.
        KeyError, ValueError: `served` is incomplete.
    """
    folder = exported / served["folder"]
    tags = {**origin.tags, "digest": digest(folder)}
    version = _find_version(client, origin, tags)
    if version is None:
        model = _find_logged(client, origin, tags) or _create_logged(client, origin, tags)
        if model.status != "READY":
            with _packed(folder, served) as packed:
                client.log_model_artifacts(model.model_id, str(packed))
            client.finalize_logged_model(model.model_id, "READY")
        version = _create_version(client, origin, tags, model)
    client.set_registered_model_alias(origin.name, ALIAS, version)


def digest(folder: Path) -> str:
    """Return the SHA-256 of the names and bytes of a folder's files."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return total.hexdigest()


def _find_version(client: Any, origin: ModelOrigin, tags: Mapping[str, str]) -> str | None:
    for version in client.search_model_versions(f"name = '{origin.name}'"):
        if tags.items() <= version.tags.items():
            return str(version.version)
    return None


def _find_logged(client: Any, origin: ModelOrigin, tags: Mapping[str, str]) -> Any:
    condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return next(iter(client.search_logged_models([origin.experiment], condition)), None)


def _create_logged(client: Any, origin: ModelOrigin, tags: Mapping[str, str]) -> Any:
    model = client.create_logged_model(origin.experiment, origin.name, origin.run, dict(tags))
    client.log_outputs(origin.run, [LoggedModelOutput(model.model_id, step=0)])
    return model


@contextmanager
def _packed(folder: Path, served: Mapping[str, Any]) -> Iterator[Path]:
    example = DataFrame(served["input"])
    for name in ("mlflow.pyfunc", "mlflow.models", "mlflow.utils"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="fsd-tuner-") as above:
        packed = Path(above, "model")
        pyfunc.save_model(
            path=packed,
            loader_module=served["loader"],
            data_path=str(folder),
            model_config=dict(served.get("config") or {}) or None,
            signature=infer_signature(example, DataFrame(served["output"])),
            input_example=example,
            pip_requirements=list(served["requirements"]),
        )
        yield packed


def _create_version(client: Any, origin: ModelOrigin, tags: Mapping[str, str], model: Any) -> str:
    with suppress(MlflowException):  # it exists; any other cause makes the next call fail
        client.create_registered_model(origin.name)
    # not `models:/ID`, which MLflow would look up in its default store
    version = client.create_model_version(
        origin.name, model.artifact_location, origin.run, tags=dict(tags), model_id=model.model_id
    )
    return str(version.version)
