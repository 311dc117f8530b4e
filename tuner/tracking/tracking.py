"""MLflow, imported only where it is needed: one run for the study, one below it for each trial."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import StudyError
from tuner.journal.event import Event, EventKind
from tuner.results.outcome import PreviousStage
from tuner.study.study import Study
from tuner.tracking.address import STORE, store_uri, tracking_uri
from tuner.tracking.best_reports import BestReports
from tuner.tracking.delivery import BackgroundDelivery
from tuner.tracking.trial_artifacts import TrialArtifacts

if TYPE_CHECKING:
    from tuner.tracking.runs import Runs

TRIALS_FILTER = "tags.kind = 'trial'"
_START_S = 15.0  # until the processes of trials have started


class Tracking:
    """Writes a search to MLflow from the driver: each event once, reports in batches, never a NaN.

    The store is `mlflow.db` in the study's folder unless MLFLOW_TRACKING_URI names another. Events are
    delivered in order by one thread of their own, every two seconds; while the server does not answer they
    wait. What an earlier
    session did not deliver, or a new store lacks, is delivered first.

    A store that may be away, or may hold something else, is opened here, so that it is refused before the
    search starts. A new one in the study's folder is made by the thread: that takes a processor for seconds,
    so it waits for the first report, while the trials' processes start.

    Args:
        study: the study.
        out: its folder, absolute.
        past: the journal's earlier events.
        earlier: the stage that this one follows: its store is used, its run is the parent.
    Raises:
        StudyError: the store cannot be opened.
    """

    def __init__(
        self, study: Study, out: Path, past: Sequence[Event] = (), earlier: PreviousStage | None = None
    ) -> None:
        self._study, self._out, self._past, self._earlier = study, out, past, earlier
        self._place = earlier.out if earlier else out
        self._standings = BestReports(study)
        for event in past:
            self._standings.take(event)
        self._runs = self._open() if past or tracking_uri() or (self._place / STORE).exists() else None
        self._reported = threading.Event()
        self._courier = BackgroundDelivery(self._deliver, _worth, _reason, "MLflow")
        for event in past:
            self._courier.take(event)

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *exception: object) -> None:
        self._reported.set()
        self._courier.close()

    def on_event(self, event: Event) -> None:
        """Deliver an event soon."""
        if event.kind is EventKind.TRIAL_REPORTED:
            self._reported.set()
        self._courier.take(event)

    def _deliver(self, events: Sequence[Event]) -> None:
        if self._runs is None:
            self._reported.wait(_START_S)
            self._runs = self._open()
        self._runs.deliver(events)

    def _open(self) -> Runs:
        from tuner.tracking.artifacts import Results
        from tuner.tracking.client import StoreError, make_store, open_client, refused
        from tuner.tracking.runs import Runs

        try:
            if not tracking_uri():
                make_store(self._place / STORE)
            client = open_client(tracking_uri() or store_uri(self._place))
            experiment = _open_experiment(client, self._study.experiment, self._place)
            above = self._earlier.search if self._earlier else ""
            files = TrialArtifacts(self._study.storage or str(self._out), self._study.trial)
            results = Results(client, experiment, self._study, self._out, files)
            runs = Runs(client, experiment, self._study, self._standings, results, above)
            if self._past:
                runs.find(self._past[0]["search"])
        except StoreError as error:
            raise refused(error, self._place / STORE) from error
        return runs


def note(out: Path, name: str, kind: str, tags: Mapping[str, Any]) -> None:
    """Add a finished run of `kind` with `tags` to a study's experiment, below the study's own run.

    Args:
        out: the study's folder.
        name: of the study.
        kind: what the run stands for.
        tags: what it says.
    Raises:
        StudyError: there is no such experiment.
    """
    from tuner.tracking.client import open_client

    uri = tracking_uri() or store_uri(out)
    client, experiment = open_client(uri), find_experiment(out, name, uri)
    texts = {key: str(value) for key, value in tags.items()}
    parents = client.search_runs([experiment], "tags.kind = 'study'", max_results=1)
    if parents:
        texts["mlflow.parentRunId"] = parents[0].info.run_id
    run = client.create_run(experiment, tags={**texts, "kind": kind, "mlflow.runName": kind, "study": name})
    client.set_terminated(run.info.run_id)


def attach(out: Path, name: str, files: Iterable[Path], below: str | None = None) -> None:
    """Put files and folders below a folder of the study's own run, such as a report made after the search.

    Args:
        out: the study's folder.
        name: of the study.
        files: what to upload; folders keep their names.
        below: name of a folder in the run, None for none.
    Raises:
        StudyError: there is no such study in the store.
    """
    from tuner.tracking.client import open_client
    from tuner.tracking.files import upload

    uri = tracking_uri() or store_uri(out)
    client, experiment = open_client(uri), find_experiment(out, name, uri)
    studies = client.search_runs([experiment], "tags.kind = 'study'", max_results=1)
    if not studies:
        raise StudyError(f"{out / STORE}: holds no run of the study {name}; was it tracked in this folder?")
    upload(client, studies[0].info.run_id, files, below)


def find_experiment(out: Path, name: str, uri: str | None = None) -> str:
    """The id of a study's experiment in the store of its folder, or in the one that `uri` names.

    Raises:
        StudyError: there is none.
    """
    from tuner.tracking.client import open_client

    found = open_client(uri or store_uri(out)).get_experiment_by_name(name)
    if found is None:
        raise StudyError(f"{out / STORE}: holds no experiment {name}; was it tracked in this folder?")
    return str(found.experiment_id)


def _open_experiment(client: Any, name: str, out: Path) -> str:
    from tuner.tracking.client import MlflowException

    known = client.get_experiment_by_name(name)
    if known is None:
        artifacts = None if tracking_uri() else (out / "artifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another search of this name was quicker
            known = client.get_experiment_by_name(name)
            if known is None:
                raise
    if known.lifecycle_stage != "active":
        raise StudyError(
            f"MLflow: the experiment {name} is deleted; restore it, or give the study another name"
        )
    return str(known.experiment_id)


def _worth(error: Exception) -> float:
    from tuner.tracking.client import attempts_worth

    return attempts_worth(error)


def _reason(error: Exception) -> str:
    from tuner.tracking.client import reason_of

    return reason_of(error)
