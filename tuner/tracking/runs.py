"""The runs of one search in MLflow: each event has its effect once, however often it is delivered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from mlflow.entities import Metric, Param, RunTag

from tuner.journal.event import Event, EventKind
from tuner.journal.record import State
from tuner.study.study import Study
from tuner.tracking.artifacts import Artifacts
from tuner.tracking.best_reports import BestReports
from tuner.tracking.client import pages
from tuner.tracking.delivery import grouped
from tuner.tracking.labels import study_params, study_tags, trial_params, trial_tags

_STATUS = {
    State.COMPLETE: "FINISHED",
    State.STOPPED: "FINISHED",
    State.FAILED: "FAILED",
    State.INTERRUPTED: "KILLED",
}
_MAX_TAG_CHARS = 5000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_PARAMS = 100  # per call
_MAX_POINTS = 1000  # of metrics per call


@dataclass
class RunState:
    """What the store is known to have of one run.

    Attributes:
        id: MLflow's id.
        params: names of its parameters.
        points: (step, milliseconds) of its reports; None if they have to be read from the store.
        ended: milliseconds of its end, None while it runs.
        interrupted: whether it ended only because its search did.
        retries: milliseconds of a lost attempt -> cause.
    """

    id: str
    params: set[str] = field(default_factory=set)
    points: set[tuple[int, int]] | None = field(default_factory=set)
    ended: int | None = None
    interrupted: bool = False
    retries: dict[int, str] = field(default_factory=dict)


class Runs:
    """The run of the study, and one run per trial below it.

    Args:
        client: MLflow client.
        experiment: id of the experiment.
        study: the study.
        best_reports: best report and cost of each trial, with the events of earlier sessions.
        artifacts: files, datasets and the champion.
        above: id of the search whose run is the parent of this search's run, or "".
    """

    def __init__(
        self, client: Any, experiment: str, study: Study, best_reports: BestReports, artifacts: Artifacts,
        above: str = "",
    ) -> None:  # fmt: skip
        self._client, self._experiment, self._study = client, experiment, study
        self._best_reports, self._artifacts, self._above = best_reports, artifacts, above
        self._search = ""
        self._runs: dict[int | None, RunState] = {}  # None: the study's run
        # A "create run" may fail here and succeed on the server: at once (the answer was lost), or later (the
        # server was frozen). So look for unknown runs before the next attempt, and once more at the end.
        self._unsure, self._late = False, False

    def find(self, search: str) -> None:
        """Read the runs of a search from the store, and delete duplicates."""
        self._search = search
        for run in pages(self._client, self._experiment, f"tags.search_id = '{search}'"):
            number = run.data.tags.get("trial_id")
            key = None if number is None else int(number)
            if key in self._runs:
                if self._runs[key].id != run.info.run_id:
                    self._client.delete_run(run.info.run_id)
                continue
            state = run.data.tags.get("state")
            ended = run.info.end_time if state != State.RUNNING else None
            known = RunState(run.info.run_id, set(run.data.params), None, ended, state == State.INTERRUPTED)
            self._runs[key] = known

    def deliver(self, events: Sequence[Event]) -> None:
        """Write events to MLflow; all or some of them may have been written before.

        Raises:
            MlflowException, OSError: the store refuses it or is unreachable.
            LookupError: the event's run could not be created.
        """
        for group in grouped(events):
            for event in group:
                self._best_reports.add(event)
            if group[0].kind is EventKind.TRIAL_REPORTED:
                self._report(self._run(group[0].trial), group)
            else:
                self._write(group[0])

    def _write(self, event: Event) -> None:
        if event.kind is EventKind.STUDY_STARTED:
            self._search = event["search"]
            tags = study_tags(self._study, self._search) | self._parent()
            self._start(None, tags, study_params(self._study), _ms(event))
        elif event.kind is EventKind.TRIAL_STARTED and event.trial is not None:
            self._start_trial(event.trial, event)
        elif event.kind is EventKind.STUDY_RESUMED:
            self._reopen(_ms(event))
        elif event.kind is EventKind.STUDY_CONCLUDED:
            self._conclude(self._run(None), event)
        elif event.kind is EventKind.STUDY_ENDED:
            self._end_study(self._run(None), event)
        else:
            self._write_trial_event(self._run(event.trial), event)

    def _write_trial_event(self, run: RunState, event: Event) -> None:
        if event.kind is EventKind.TRIAL_RETRIED:
            self._retried(run, event)
        elif event.kind is EventKind.TRIAL_RESUMED and event["donor"] is not None:
            cloned = f"report {event['epoch']}: {event['reason']}"
            self._client.set_tag(run.id, f"cloned_{event['epoch']:04d}", cloned[:_MAX_TAG_CHARS])
        elif event.kind is EventKind.TRIAL_ENDED:
            self._end(run, event)

    def _run(self, key: int | None) -> RunState:
        if key not in self._runs:
            raise LookupError("its run could not be created")
        return self._runs[key]

    def _start(self, key: int | None, tags: Mapping[str, str], params: Mapping[str, Any], when: int) -> None:
        if self._unsure:
            self._late = True
            self.find(self._search)
        if key not in self._runs:
            self._unsure = True
            created = self._client.create_run(self._experiment, start_time=when, tags=tags)
            self._runs[key] = RunState(created.info.run_id)
        self._unsure = False
        run = self._runs[key]
        missing = iter([Param(name, str(value)) for name, value in params.items() if name not in run.params])
        while batch := list(islice(missing, _MAX_PARAMS)):
            self._client.log_batch(run.id, params=batch)
        run.params |= params.keys()

    def _parent(self) -> dict[str, str]:
        """Return the tag that puts the study's run below the run of another search."""
        if not self._above:
            return {}
        study_run = f"tags.search_id = '{self._above}' and tags.kind = 'study'"
        parent = next(iter(pages(self._client, self._experiment, study_run)), None)
        return {"mlflow.parentRunId": parent.info.run_id} if parent else {}

    def _start_trial(self, number: int, event: Event) -> None:
        tags = trial_tags(self._study, number, event["params"])
        tags |= {"mlflow.parentRunId": self._run(None).id, "search_id": self._search}
        self._start(number, tags, trial_params(self._study, event["params"]), _ms(event))

    def _report(self, run: RunState, events: Sequence[Event]) -> None:
        if run.points is None:
            history = self._client.get_metric_history(run.id, self._study.metric.name)
            run.points = {(point.step, point.timestamp) for point in history}
        new = {(each["epoch"], _ms(each)): each["metrics"] for each in events}
        new = {key: metrics for key, metrics in new.items() if key not in run.points}
        batch: list[Metric] = []
        for (step, when), metrics in new.items():
            points = self._points(metrics, step, when)
            if len(batch) + len(points) > _MAX_POINTS:  # never splits a report: `points` relies on it
                self._client.log_batch(run.id, batch)
                batch = []
            batch += points
        if batch:
            self._client.log_batch(run.id, batch)
        run.points |= new.keys()

    def _log(self, run: RunState, metrics: Mapping[str, float], step: int, when: int) -> None:
        self._client.log_batch(run.id, self._points(metrics, step, when))

    def _points(self, metrics: Mapping[str, float], step: int, when: int) -> list[Metric]:
        """Return the finite metrics, with the event's time: MLflow stores an equal point once."""
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        first = self._study.metric.name  # MLflow's compare page starts with the metric that was written first
        return [Metric(name, finite[name], when, step) for name in sorted(finite, key=lambda n: n != first)]

    def _retried(self, run: RunState, event: Event) -> None:
        run.retries[_ms(event)] = event["cause"]
        tags = {"retries": len(run.retries), "retry_reason": event["reason"][:_MAX_TAG_CHARS]}
        tags |= {f"retries.{cause}": count for cause, count in Counter(run.retries.values()).items()}
        tags |= {f"changed.{path}": value for path, value in event["changes"].items()}
        self._client.log_batch(run.id, tags=[RunTag(key, str(value)) for key, value in tags.items()])

    def _end(self, run: RunState, event: Event) -> None:
        if run.ended is not None and run.ended >= _ms(event):  # written before, or in a later session
            return
        state, reason = State(event["state"]), event["reason"][:_MAX_TAG_CHARS]
        tags = [RunTag("state", state), RunTag("stop_reason", reason)]
        if event.trial is None or state is State.INTERRUPTED:
            self._client.log_batch(run.id, tags=tags)
        else:
            trial = self._best_reports[event.trial]
            self._client.log_batch(
                run.id, self._points(trial.to_metrics(), trial.epoch, _ms(event)), tags=tags
            )
            self._artifacts.trial(run.id, self._run(None).id, trial.checkpoint)
        self._client.set_terminated(run.id, _STATUS[state], _ms(event))
        run.ended, run.interrupted = _ms(event), state is State.INTERRUPTED

    def _reopen(self, when: int) -> None:
        """Set the study's run, and the trials that were interrupted with it before `when`, to running."""
        for key, run in self._runs.items():
            if run.ended is not None and run.ended <= when and (run.interrupted or key is None):
                self._client.update_run(run.id, status="RUNNING")
                self._client.set_tag(run.id, "state", State.RUNNING)  # last: `find` relies on it
                run.ended, run.interrupted = None, False

    def _conclude(self, run: RunState, event: Event) -> None:
        self._log(run, event["metrics"], 0, _ms(event))
        for key, value in event["tags"].items():
            self._client.set_tag(run.id, key, value)
        self._artifacts.upload(run.id, event["files"])
        best = event["tags"].get("best_trial")
        if best is not None:
            # in the finalists' stage, the best trial is a trial of the search, whose runs are not ours
            trained = self._runs.get(int(best), run) if self._study.run_kind == "study" else run
            self._artifacts.register_champion(run.id, trained.id, self._search, int(best), event["files"])

    def _end_study(self, run: RunState, event: Event) -> None:
        if self._late:
            self.find(self._search)
        counts = {f"trials/{each.value}": 0.0 for each in State if each is not State.RUNNING}
        counts |= {f"trials/{state}": float(count) for state, count in event["trials"].items()}
        self._log(run, counts, int(sum(counts.values())), _ms(event))
        self._artifacts.upload(run.id, ["study.yaml", *self._artifacts.reports()])
        self._end(run, event)


def _ms(event: Event) -> int:
    """Return milliseconds since 1970, equal before and after the journal, which keeps microseconds."""
    return (datetime.fromtimestamp(event.time, UTC) - _EPOCH) // timedelta(milliseconds=1)
