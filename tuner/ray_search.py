"""The trials of a study on a Ray cluster."""

from __future__ import annotations

import math
import threading
from pathlib import Path

from ray import tune

from tuner.definition import Study
from tuner.metrics import VALUE
from tuner.objective import build_objective
from tuner.record import Record
from tuner.relay import Relay
from tuner.scheduler import build_scheduler
from tuner.searcher import StudySearcher
from tuner.source import Source
from tuner.stops import Stops


class Ends(tune.Stopper):
    """Ends a trial after its last report or at a value that is no number, all of them on an interrupt."""

    def __init__(self, reports: int, interrupted: threading.Event) -> None:
        self._reports, self._interrupted = reports, interrupted

    def __call__(self, trial_id: str, result: dict[str, float]) -> bool:
        return result["training_iteration"] >= self._reports or not math.isfinite(result.get(VALUE, 0.0))

    def stop_all(self) -> bool:
        return self._interrupted.is_set()

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return _Restored, (self._reports,)


class _Restored(Ends):
    """What Ray's snapshots hold in the place of `Ends`, whose event cannot be pickled."""

    def __init__(self, reports: int) -> None:
        super().__init__(reports, threading.Event())


def run_on_ray(
    study: Study, source: Source, record: Record, out: Path, slots: int | None, interrupted: threading.Event
) -> None:
    """Run a study's trials on the connected cluster; the record holds what became of them.

    Args:
        study: the study, its settings prepared.
        source: draws the points.
        record: told of everything.
        out: absolute folder; Ray's own files go to `ray/`, tracebacks to `errors/`.
        slots: how many trials at once, None for as many as the cluster takes.
        interrupted: ends the search soon after it is set.
    """
    stops: Stops = {}
    objective = build_objective(study.trial, study.metric.name, study.resources)
    request = {"cpu": study.resources.cpu, "gpu": study.resources.gpu}
    tuner = tune.Tuner(
        tune.with_resources(objective, request),
        tune_config=tune.TuneConfig(
            search_alg=StudySearcher(study, source, stops),
            scheduler=build_scheduler(study, stops),
            num_samples=study.trials,
            max_concurrent_trials=slots,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(out / "ray"),
            stop=Ends(study.full, interrupted),
            callbacks=[Relay(record, stops, out / "errors")],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=2),
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    tuner.fit()


def _name(trial: object) -> str:
    return f"{trial.config['number']:04d}"  # type: ignore[attr-defined]
