"""MLflow: one run for the study, one below it for each trial (the only file that names mlflow)."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from tuner.definition import Study
from tuner.errors import StudyError, lines
from tuner.record import State, TrialRecord, winner

STORE = "mlflow.db"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is away must not hold up the trials for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
TRIALS_FILTER = "tags.kind = 'trial'"
_STATUS = {
    State.COMPLETE: "FINISHED",
    State.STOPPED: "FINISHED",
    State.FAILED: "FAILED",
    State.INTERRUPTED: "KILLED",
}


class Tracking:
    """Writes a search to MLflow from the driver, one batch a report, never a NaN.

    The store is `mlflow.db` in the study's folder, made here before anything else opens it, unless
    MLFLOW_TRACKING_URI names another. Once the search runs, an MLflow error costs a warning and no trial.

    Args:
        study: the study.
        out: its folder, absolute.
    Raises:
        StudyError: the store cannot be opened.
    """

    def __init__(self, study: Study, out: Path) -> None:
        self._study, self._out = study, out
        self._runs: dict[int, str] = {}
        self._warned = False
        try:
            self._client = _client(os.environ.get("MLFLOW_TRACKING_URI") or store_uri(out))
            self._experiment = self._open_experiment()
        except MlflowException as error:
            raise StudyError(f"MLflow: {lines(error)[0]}; check MLFLOW_TRACKING_URI") from error
        self._parent = ""

    def study_started(self, study: Study) -> None:
        self._try(lambda: self._start_study(study))

    def _start_study(self, study: Study) -> None:
        tags = {"kind": study.kind, "mlflow.runName": study.name, "study": study.name, "state": State.RUNNING}
        run = self._client.create_run(self._experiment, tags=tags)
        self._parent = run.info.run_id
        params = {
            "trial": study.trial, "trials": study.trials, "epochs": study.epochs,
            "metric": study.metric.name, "mode": study.metric.mode, "sampler": study.sampler.name,
            "seed": study.sampler.seed, "scheduler": study.scheduler.name,
        }  # fmt: skip
        self._client.log_batch(self._parent, params=[Param(key, str(value)) for key, value in params.items()])
        self._client.log_artifact(self._parent, str(self._out / "study.yaml"))

    def trial_started(self, trial: TrialRecord) -> None:
        self._try(lambda: self._start(trial))

    def trial_reported(self, trial: TrialRecord) -> None:
        self._try(lambda: self._log(self._runs[trial.number], trial.metrics, trial.epoch))

    def trial_ended(self, trial: TrialRecord) -> None:
        self._try(lambda: self._end(self._runs[trial.number], trial.state, trial.reason))

    def study_ended(self, trials: Sequence[TrialRecord], state: State) -> None:
        self._try(lambda: self._end_study(trials, state))

    def summarise(self, figures: Mapping[str, float], files: Sequence[Path]) -> None:
        """Add figures and files to the run of the whole; figures that are not finite are left out."""
        self._try(lambda: self._summarise(figures, files))

    def _summarise(self, figures: Mapping[str, float], files: Sequence[Path]) -> None:
        self._log(self._parent, figures, step=0)
        for file in files:
            self._client.log_artifact(self._parent, str(file))

    def _start(self, trial: TrialRecord) -> None:
        number, own = f"{trial.number:04d}", self._study.tags(trial.point)
        tags = {
            "kind": "trial", "mlflow.runName": " ".join(own.values()) or number,
            "mlflow.parentRunId": self._parent, "study": self._study.name, "trial_id": number,
            "state": trial.state, **own,
        }  # fmt: skip
        run = self._client.create_run(self._experiment, tags=tags)
        self._runs[trial.number] = run.info.run_id
        params = dict(self._study.tags(trial.point))
        for path, dimension in self._study.search.items():
            params |= dimension.params(path, trial.point[path])
        self._client.log_batch(
            run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()]
        )

    def _log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
        self._client.log_batch(run, [Metric(key, value, now, step) for key, value in finite.items()])

    def _end(self, run: str, state: State, reason: str) -> None:
        self._client.log_batch(run, tags=[RunTag("state", state), RunTag("stop_reason", reason[:5000])])
        self._client.set_terminated(run, _STATUS[state])

    def _end_study(self, trials: Sequence[TrialRecord], state: State) -> None:
        counts = {f"trials/{each}": float(sum(t.state is each for t in trials)) for each in State}
        del counts[f"trials/{State.RUNNING}"]
        best = winner(trials, self._study.metric) if self._study.search else None
        if best is not None:
            counts[f"best/{self._study.metric.name}"] = best.value
            self._client.set_tag(self._parent, "best_trial", f"{best.number:04d}")
        self._log(self._parent, counts, step=len(trials))
        if (self._out / "best.yaml").is_file():
            self._client.log_artifact(self._parent, str(self._out / "best.yaml"))
        self._end(self._parent, state, "")

    def _open_experiment(self) -> str:
        known = self._client.get_experiment_by_name(self._study.name)
        if known is not None and known.lifecycle_stage != "active":
            way_out = "restore it, or give the study another name"
            raise StudyError(f"MLflow: the experiment {self._study.name} is deleted; {way_out}")
        if known is not None:
            return str(known.experiment_id)
        own_store = not os.environ.get("MLFLOW_TRACKING_URI")
        artifacts = (self._out / "artifacts").as_uri() if own_store else None
        return str(self._client.create_experiment(self._study.name, artifact_location=artifacts))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (MlflowException, KeyError) as error:  # KeyError: a run whose start could not be written
            if not self._warned:
                print(f"warning: MLflow: {lines(error)[0]}; the journal goes on", file=sys.stderr)
            self._warned = True


def store_uri(out: Path) -> str:
    """The store in a study's folder."""
    return f"sqlite:///{out.resolve() / STORE}"


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
    uri = os.environ.get("MLFLOW_TRACKING_URI") or store_uri(out)
    client, experiment = _client(uri), find_experiment(out, name, uri)
    texts = {key: str(value) for key, value in tags.items()}
    parents = client.search_runs([experiment], "tags.kind = 'study'", max_results=1)
    if parents:
        texts["mlflow.parentRunId"] = parents[0].info.run_id
    run = client.create_run(experiment, tags={**texts, "kind": kind, "mlflow.runName": kind, "study": name})
    client.set_terminated(run.info.run_id)


def find_experiment(out: Path, name: str, uri: str | None = None) -> str:
    """The id of a study's experiment in the store of its folder, or in the one that `uri` names.

    Raises:
        StudyError: there is none.
    """
    found = _client(uri or store_uri(out)).get_experiment_by_name(name)
    if found is None:
        raise StudyError(f"{out / STORE}: holds no experiment {name}; was it tracked in this folder?")
    return str(found.experiment_id)


def chart_link(base: str, experiment: str, metric: str, mode: str) -> str:
    """A link that opens the trials side by side in the chart view, the best first.

    MLflow folds child runs under their parent, so only a filter on a tag shows them all.
    """
    order = quote(f"metrics.`{metric}`", safe="./")
    asc = "true" if mode == "min" else "false"
    query = f"searchFilter={quote(TRIALS_FILTER, safe='')}&orderByKey={order}&orderByAsc={asc}"
    return f"{base}/#/experiments/{experiment}/runs?{query}&compareRunsMode=CHART"


def _client(uri: str) -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri)
