"""Tracking: writes a search to MLflow, which is imported only when it is needed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import StudyError
from tuner.journal.event import Event, EventKind
from tuner.results.outcome import PreviousStage
from tuner.study.study import Study
from tuner.tracking.address import STORE, store_uri, tracking_uri
from tuner.tracking.best_reports import BestReports
from tuner.tracking.delivery import BackgroundDelivery
from tuner.tracking.trial_artifacts import ArtifactReader

if TYPE_CHECKING:
    from tuner.tracking.runs import Runs

TRIALS_FILTER = "tags.kind = 'trial'"
_START_S = 15.0  # until the processes of the first trials have started


class Tracking:
    """Event listener that writes a search to MLflow from the driver: each event once, reports in batches.

    The store is `mlflow.db` in the study folder, unless MLFLOW_TRACKING_URI names another. A background
    thread delivers events in order, every two seconds; they wait while the server is unreachable. Events that
    an earlier session did not deliver, or that a new store lacks, come first.

    A store that exists or is elsewhere is opened at once, so that a bad one is an error before the search
    starts. A new store is created by the thread, after the first report: it takes seconds of a CPU, which the
    starting processes of the trials need.

    Args:
        study: the study.
        out: study folder, absolute.
        past: events of earlier sessions.
        earlier: the stage before this one: its store is used, its run is the parent.
    Raises:
        StudyError: the store cannot be opened.
    """

    def __init__(
        self, study: Study, out: Path, past: Sequence[Event] = (), earlier: PreviousStage | None = None
    ) -> None:
        self._study, self._out, self._past, self._earlier = study, out, past, earlier
        self._store_folder = earlier.out if earlier else out
        self._best_reports = BestReports(study)
        for event in past:
            self._best_reports.add(event)
        self._runs = self._open() if past or tracking_uri() or (self._store_folder / STORE).exists() else None
        self._reported = threading.Event()
        self._delivery = BackgroundDelivery(self._deliver, _max_attempts, _reason_of, "MLflow")
        for event in past:
            self._delivery.add(event)

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *exception: object) -> None:
        self._reported.set()
        self._delivery.close()

    def on_event(self, event: Event) -> None:
        """Deliver an event soon."""
        if event.kind is EventKind.TRIAL_REPORTED:
            self._reported.set()
        self._delivery.add(event)

    def _deliver(self, events: Sequence[Event]) -> None:
        if self._runs is None:
            self._reported.wait(_START_S)
            self._runs = self._open()
        self._runs.deliver(events)

    def _open(self) -> Runs:
        from tuner.tracking.artifacts import Artifacts
        from tuner.tracking.client import StoreError, make_store, open_client, refused
        from tuner.tracking.runs import Runs

        try:
            if not tracking_uri():
                make_store(self._store_folder / STORE)
            client = open_client(tracking_uri() or store_uri(self._store_folder))
            experiment = _open_experiment(client, self._study.experiment, self._store_folder)
            above = self._earlier.search if self._earlier else ""
            reader = ArtifactReader(self._study.storage or str(self._out), self._study.trial)
            artifacts = Artifacts(client, experiment, self._study, self._out, reader)
            runs = Runs(client, experiment, self._study, self._best_reports, artifacts, above)
            if self._past:
                runs.find(self._past[0]["search"])
        except StoreError as error:
            raise refused(error, self._store_folder / STORE) from error
        return runs


def attach(out: Path, name: str, files: Iterable[Path], below: str | None = None) -> None:
    """Upload files and folders to a study's run, such as a report made after the search.

    Args:
        out: study folder.
        name: name of the study's experiment.
        files: what to upload; folders keep their names.
        below: folder in the run to put them in, or None.
    Raises:
        StudyError: the store has no such study.
    """
    from tuner.tracking.artifacts import upload
    from tuner.tracking.client import open_client

    uri = tracking_uri() or store_uri(out)
    client, experiment = open_client(uri), find_experiment(out, name, uri)
    studies = client.search_runs([experiment], "tags.kind = 'study'", max_results=1)
    if not studies:
        raise StudyError(f"{out / STORE}: holds no run of the study {name}; was it tracked in this folder?")
    upload(client, studies[0].info.run_id, files, below)


def find_experiment(out: Path, name: str, uri: str | None = None) -> str:
    """Return the id of an experiment in the store of a study folder, or in the store `uri`.

    Raises:
        StudyError: there is no such experiment.
    """
    from tuner.tracking.client import open_client

    experiment = open_client(uri or store_uri(out)).get_experiment_by_name(name)
    if experiment is None:
        raise StudyError(f"{out / STORE}: holds no experiment {name}; was it tracked in this folder?")
    return str(experiment.experiment_id)


def _open_experiment(client: Any, name: str, out: Path) -> str:
    from tuner.tracking.client import MlflowException

    existing = client.get_experiment_by_name(name)
    if existing is None:
        artifacts = None if tracking_uri() else (out / "artifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another search has just created it
            existing = client.get_experiment_by_name(name)
            if existing is None:
                raise
    if existing.lifecycle_stage != "active":
        raise StudyError(
            f"MLflow: the experiment {name} is deleted; restore it, or give the study another name"
        )
    return str(existing.experiment_id)


def _max_attempts(error: Exception) -> float:
    from tuner.tracking.client import max_attempts

    return max_attempts(error)


def _reason_of(error: Exception) -> str:
    from tuner.tracking.client import reason_of

    return reason_of(error)
