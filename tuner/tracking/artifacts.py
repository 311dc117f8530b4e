"""What a search leaves besides numbers, put into MLflow: files, datasets, the winner as a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuner.errors import lines
from tuner.study.load import load_study
from tuner.study.study import Study
from tuner.tracking.client import attempts_worth
from tuner.tracking.files import log_dataset, upload
from tuner.tracking.trial_artifacts import TrialArtifacts

_TEXT = 5000


class Results:
    """Puts them there, each once, however often it is told.

    Args:
        client: of MLflow.
        experiment: id of the experiment.
        study: the study.
        out: its folder, absolute; files are uploaded from it.
        files: what trials leave to look at.
    """

    def __init__(self, client: Any, experiment: str, study: Study, out: Path, files: TrialArtifacts) -> None:
        self._client, self._experiment, self._study = client, experiment, study
        self._out, self._files = out, files

    def upload(self, run: str, names: Iterable[str]) -> None:
        """Files and folders of the study's folder, by their names in it."""
        upload(self._client, run, [self._out / name for name in names])

    def reports(self) -> list[str]:
        """Names of what reports there are in the study's folder."""
        return sorted(path.name for path in self._out.glob("report*"))

    def trial(self, run: str, parent: str, state: str | None) -> None:
        """The dataset and the files of a trial that has ended.

        Args:
            run, parent: ids of its run and of the study's.
            state: name of its last saved state in the storage, or None.
        """
        with self._files.of(state) as left, self._noted(run, "artifacts_left_out"):
            for each in (run, parent):
                log_dataset(self._client, each, left.facts, self._study.name)
            if left.folder is not None:
                self._client.log_artifacts(run, str(left.folder))
            if left.problem:
                raise ValueError(left.problem)

    def register_champion(
        self, run: str, trained: str, search: str, trial: int, files: Sequence[str]
    ) -> None:
        """Register the winner where the files of the conclusion hold its best.yaml with an export beside it.

        Args:
            run, trained: ids of the study's run and of the one that trained the winner.
            search: id of the search.
            trial: number of the winner; where best.yaml is by now of a later one, that one is registered.
            files: names in the study's folder.
        """
        best = next((self._out / name for name in files if Path(name).name == "best.yaml"), None)
        if best is None or not best.is_file():
            return
        with self._noted(run, "champion_left_out"):
            now = load_study(str(best)).origin or {}
            as_mlflow_model = (
                self._files.as_mlflow_model(best.parent.resolve()) if now.get("trial") == trial else None
            )
            if as_mlflow_model is not None:
                from tuner.tracking.model import Origin, put_champion  # brings pandas

                origin = Origin(self._experiment, trained, self._study.experiment, {"search_id": search})
                put_champion(self._client, origin, best.parent, as_mlflow_model)

    @contextmanager
    def _noted(self, run: str, tag: str) -> Iterator[None]:
        """What a server refuses, or a trial's module gets wrong, is noted: the run must end all the same."""
        try:
            yield
        except Exception as error:
            if attempts_worth(error) == math.inf:  # the server is away, what waits follows later
                raise
            self._client.set_tag(run, tag, lines(error)[0][:_TEXT])
