"""The runs of one search in MLflow: each event carried out once, however often it is delivered."""

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
from tuner.tracking.artifacts import Results
from tuner.tracking.best_reports import BestReports
from tuner.tracking.client import pages
from tuner.tracking.labels import study_params, study_tags, trial_params, trial_tags
from tuner.tracking.together import together

_STATUS = {
    State.COMPLETE: "FINISHED",
    State.STOPPED: "FINISHED",
    State.FAILED: "FAILED",
    State.INTERRUPTED: "KILLED",
}
_TEXT = 5000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 100  # parameters that MLflow takes at once
_POINTS = 1000  # and points of metrics


@dataclass
class Run:
    """One run, as far as it is known here.

    Attributes:
        id: MLflow's.
        params: names of the parameters it has.
        points: (step, milliseconds) of the reports it has; None where the store has to be asked.
        ended: milliseconds of its end, None while it runs.
        interrupted: whether it ended only with its search.
        retries: time of a lost attempt -> its cause.
    """

    id: str
    params: set[str] = field(default_factory=set)
    points: set[tuple[int, int]] | None = field(default_factory=set)
    ended: int | None = None
    interrupted: bool = False
    retries: dict[int, str] = field(default_factory=dict)


class Runs:
    """The study's run and one below it for each trial.

    Args:
        client: of MLflow.
        experiment: id of the experiment.
        study: the study.
        standings: what each trial has come to; has heard of earlier sessions.
        results: files, datasets and the winner.
        above: id of the search whose run is the parent of this one's, or "".
    """

    def __init__(
        self, client: Any, experiment: str, study: Study, standings: BestReports, results: Results,
        above: str = "",
    ) -> None:  # fmt: skip
        self._client, self._experiment, self._study = client, experiment, study
        self._standings, self._results, self._above = standings, results, above
        self._search = ""
        self._runs: dict[int | None, Run] = {}  # None: the study's own
        self._unsure = False  # whether a run may be there that we do not know of
        self._late = False  # whether one may yet come: a server that was frozen does what nobody waits for

    def find(self, search: str) -> None:
        """Learn what the store has of a search, and remove what it has twice."""
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
            found = Run(run.info.run_id, set(run.data.params), None, ended, state == State.INTERRUPTED)
            self._runs[key] = found

    def deliver(self, events: Sequence[Event]) -> None:
        """Carry out events, which may have been carried out before, in whole or in part.

        Reports that come together are written together.

        Raises:
            MlflowException, OSError: the store does not take it.
            LookupError: of a trial whose run could not be made.
        """
        for group in together(events):
            for event in group:
                self._standings.take(event)
            if group[0].kind is EventKind.TRIAL_REPORTED:
                self._report(self._run(group[0].trial), group)
            else:
                self._carry_out(group[0])

    def _carry_out(self, event: Event) -> None:
        if event.kind is EventKind.STUDY_STARTED:
            self._search = event["search"]
            tags = study_tags(self._study, self._search) | self._parent()
            self._start(None, tags, study_params(self._study), _ms(event))
        elif event.kind is EventKind.TRIAL_STARTED and event.trial is not None:
            self._start_trial(event.trial, event)
        elif event.kind is EventKind.STUDY_RESUMED:
            self._run_again(_ms(event))
        elif event.kind is EventKind.STUDY_CONCLUDED:
            self._conclude(self._run(None), event)
        elif event.kind is EventKind.STUDY_ENDED:
            self._end_study(self._run(None), event)
        else:
            self._deliver_trial(self._run(event.trial), event)

    def _deliver_trial(self, run: Run, event: Event) -> None:
        if event.kind is EventKind.TRIAL_RETRIED:
            self._retried(run, event)
        elif event.kind is EventKind.TRIAL_RESUMED and event["donor"] is not None:
            cloned = f"report {event['epoch']}: {event['reason']}"
            self._client.set_tag(run.id, f"cloned_{event['epoch']:04d}", cloned[:_TEXT])
        elif event.kind is EventKind.TRIAL_ENDED:
            self._end(run, event)

    def _run(self, key: int | None) -> Run:
        if key not in self._runs:
            raise LookupError("its run could not be made")
        return self._runs[key]

    def _start(self, key: int | None, tags: Mapping[str, str], params: Mapping[str, Any], when: int) -> None:
        if self._unsure:  # the server may have made a run and died before it said so
            self._late = True
            self.find(self._search)
        if key not in self._runs:
            self._unsure = True
            made = self._client.create_run(self._experiment, start_time=when, tags=tags)
            self._runs[key] = Run(made.info.run_id)
        self._unsure = False
        run = self._runs[key]
        missing = iter([Param(name, str(value)) for name, value in params.items() if name not in run.params])
        while batch := list(islice(missing, _BATCH)):
            self._client.log_batch(run.id, params=batch)
        run.params |= params.keys()

    def _parent(self) -> dict[str, str]:
        """The tag that puts the study's run below another search's."""
        if not self._above:
            return {}
        mine = f"tags.search_id = '{self._above}' and tags.kind = 'study'"
        found = next(iter(pages(self._client, self._experiment, mine)), None)
        return {"mlflow.parentRunId": found.info.run_id} if found else {}

    def _start_trial(self, number: int, event: Event) -> None:
        tags = trial_tags(self._study, number, event["params"])
        tags |= {"mlflow.parentRunId": self._run(None).id, "search_id": self._search}
        self._start(number, tags, trial_params(self._study, event["params"]), _ms(event))

    def _report(self, run: Run, events: Sequence[Event]) -> None:
        if run.points is None:
            history = self._client.get_metric_history(run.id, self._study.metric.name)
            run.points = {(point.step, point.timestamp) for point in history}
        new = {(each["epoch"], _ms(each)): each["metrics"] for each in events}
        new = {key: metrics for key, metrics in new.items() if key not in run.points}
        batch: list[Metric] = []
        for (step, when), metrics in new.items():
            points = self._points(metrics, step, when)
            if len(batch) + len(points) > _POINTS:  # each is written whole: it is looked for by one metric
                self._client.log_batch(run.id, batch)
                batch = []
            batch += points
        if batch:
            self._client.log_batch(run.id, batch)
        run.points |= new.keys()

    def _log(self, run: Run, metrics: Mapping[str, float], step: int, when: int) -> None:
        self._client.log_batch(run.id, self._points(metrics, step, when))

    def _points(self, metrics: Mapping[str, float], step: int, when: int) -> list[Metric]:
        """With the event's own time: the same point again is no second point."""
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        first = self._study.metric.name  # the page that compares runs begins with what was written first
        return [Metric(name, finite[name], when, step) for name in sorted(finite, key=lambda n: n != first)]

    def _retried(self, run: Run, event: Event) -> None:
        run.retries[_ms(event)] = event["cause"]
        tags = {"retries": len(run.retries), "retry_reason": event["reason"][:_TEXT]}
        tags |= {f"retries.{cause}": count for cause, count in Counter(run.retries.values()).items()}
        tags |= {f"changed.{path}": value for path, value in event["changes"].items()}
        self._client.log_batch(run.id, tags=[RunTag(key, str(value)) for key, value in tags.items()])

    def _end(self, run: Run, event: Event) -> None:
        if run.ended is not None and run.ended >= _ms(event):  # of this session or of a later one
            return
        state, reason = State(event["state"]), event["reason"][:_TEXT]
        tags = [RunTag("state", state), RunTag("stop_reason", reason)]
        if event.trial is None or state is State.INTERRUPTED:
            self._client.log_batch(run.id, tags=tags)
        else:
            trial = self._standings[event.trial]
            self._client.log_batch(run.id, self._points(trial.figures(), trial.epoch, _ms(event)), tags=tags)
            self._results.trial(run.id, self._run(None).id, trial.checkpoint)
        self._client.set_terminated(run.id, _STATUS[state], _ms(event))
        run.ended, run.interrupted = _ms(event), state is State.INTERRUPTED

    def _run_again(self, when: int) -> None:
        """The study and what ended only with it, where that was before."""
        for key, run in self._runs.items():
            if run.ended is not None and run.ended <= when and (run.interrupted or key is None):
                self._client.update_run(run.id, status="RUNNING")
                self._client.set_tag(run.id, "state", State.RUNNING)  # last: `find` judges by it
                run.ended, run.interrupted = None, False

    def _conclude(self, run: Run, event: Event) -> None:
        self._log(run, event["figures"], 0, _ms(event))
        for key, value in event["tags"].items():
            self._client.set_tag(run.id, key, value)
        self._results.upload(run.id, event["files"])
        best = event["tags"].get("best_trial")
        if best is not None:
            # in finals it is a trial of the search, whose runs these are not
            trained = self._runs.get(int(best), run) if self._study.run_kind == "study" else run
            self._results.register_champion(run.id, trained.id, self._search, int(best), event["files"])

    def _end_study(self, run: Run, event: Event) -> None:
        if self._late:
            self.find(self._search)
        counts = {f"trials/{each.value}": 0.0 for each in State if each is not State.RUNNING}
        counts |= {f"trials/{state}": float(count) for state, count in event["trials"].items()}
        self._log(run, counts, int(sum(counts.values())), _ms(event))
        self._results.upload(run.id, ["study.yaml", *self._results.reports()])
        self._end(run, event)


def _ms(event: Event) -> int:
    """Milliseconds since 1970, the same before and after the journal, which keeps microseconds."""
    return (datetime.fromtimestamp(event.time, UTC) - _EPOCH) // timedelta(milliseconds=1)
