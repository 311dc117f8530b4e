"""What a search leaves besides numbers, in MLflow: files, datasets, the winner as a model.

Each is there once, however often it is uploaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from tuner.errors import lines
from tuner.study.load import load_study
from tuner.study.study import Study
from tuner.tracking.client import max_attempts
from tuner.tracking.trial_artifacts import ArtifactReader

_MAX_TAG_CHARS = 5000
_DIGEST_CHARS = 36  # MLflow keeps no more


class Artifacts:
    """Uploads the files of a search and registers its winner.

    Args:
        client: MLflow client.
        experiment: id of the experiment.
        study: the study.
        out: study folder, absolute; files are uploaded from there.
        reader: reads what trials leave to look at.
    """

    def __init__(
        self, client: Any, experiment: str, study: Study, out: Path, reader: ArtifactReader
    ) -> None:  # fmt: skip
        self._client, self._experiment, self._study = client, experiment, study
        self._out, self._reader = out, reader

    def upload(self, run: str, names: Iterable[str]) -> None:
        """Upload files and folders of the study folder, named relative to it."""
        upload(self._client, run, [self._out / name for name in names])

    def reports(self) -> list[str]:
        """Return the names of the reports in the study folder."""
        return sorted(path.name for path in self._out.glob("report*"))

    def trial(self, run: str, parent: str, checkpoint: str | None) -> None:
        """Upload the dataset and the files of a trial that has ended.

        Args:
            run: id of the trial's run.
            parent: id of the study's run.
            checkpoint: name of the trial's last checkpoint in the storage, or None.
        """
        with self._reader.read(checkpoint) as artifacts, self._noted(run, "artifacts_left_out"):
            for each in (run, parent):
                log_dataset(self._client, each, artifacts.facts, self._study.name)
            if artifacts.folder is not None:
                self._client.log_artifacts(run, str(artifacts.folder))
            if artifacts.problem:
                raise ValueError(artifacts.problem)

    def register_champion(
        self, run: str, trained: str, search: str, trial: int, files: Sequence[str]
    ) -> None:
        """Register the winner, if `files` has a best.yaml with an export beside it.

        A best.yaml that a later session has overwritten with another winner is left to that session's event.

        Args:
            run: id of the study's run.
            trained: id of the run that trained the winner.
            search: id of the search.
            trial: number of the winner.
            files: names in the study folder.
        """
        best = next((self._out / name for name in files if Path(name).name == "best.yaml"), None)
        if best is None or not best.is_file():
            return
        with self._noted(run, "champion_left_out"):
            if (load_study(str(best)).origin or {}).get("trial") != trial:
                return
            served = self._reader.as_mlflow_model(best.parent.resolve())
            if served is not None:
                from tuner.tracking.model import ModelOrigin, register_model  # imports pandas

                origin = ModelOrigin(self._experiment, trained, self._study.experiment, {"search_id": search})
                register_model(self._client, origin, best.parent, served)

    @contextmanager
    def _noted(self, run: str, tag: str) -> Iterator[None]:
        """Turn an error into a tag of the run, so that the run still ends; not if the server is away."""
        try:
            yield
        except Exception as error:
            if max_attempts(error) == math.inf:  # the whole event is delivered again later
                raise
            self._client.set_tag(run, tag, lines(error)[0][:_MAX_TAG_CHARS])


def upload(client: Any, run: str, files: Iterable[Path], below: str | None = None) -> None:
    """Upload files and whole folders, which keep their names; missing ones are skipped.

    Args:
        client: MLflow client.
        run: id of the run.
        files: on this machine.
        below: folder in the run to put them in, or None.
    """
    for path in files:
        if path.is_dir():
            client.log_artifacts(run, str(path), "/".join(filter(None, (below, path.name))))
        elif path.is_file():
            client.log_artifact(run, str(path), below)


def log_dataset(client: Any, run: str, facts: Mapping[str, Any], name: str) -> None:
    """Log the dataset that a run was trained on, if the trial's facts have its digest.

    Args:
        client: MLflow client.
        run: id of the run.
        facts: `data_digest`, optionally `dataset` (a name) and `data_source` (a path or address).
        name: used where `dataset` is missing.
    """
    digest = str(facts.get("data_digest") or "")
    if not digest:
        return
    source = json.dumps({"uri": str(facts.get("data_source") or "")})
    title, profile = str(facts.get("dataset") or name), json.dumps({"digest": digest})
    dataset = Dataset(
        name=title, digest=digest[:_DIGEST_CHARS], source_type="local", source=source, profile=profile
    )  # fmt: skip
    context = InputTag(key="mlflow.data.context", value="training")
    client.log_inputs(run, datasets=[DatasetInput(dataset=dataset, tags=[context])])
