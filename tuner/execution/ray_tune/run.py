"""The trials of a study on a Ray cluster."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray import tune

from tuner.controller.controller import Controller
from tuner.execution.ray_tune.callback import StudyCallback
from tuner.execution.ray_tune.scheduler import BudgetStopper, StudyScheduler
from tuner.execution.ray_tune.searcher import StudySearcher
from tuner.execution.ray_tune.trainable import build_trainable
from tuner.execution.stacking.channel import Answers
from tuner.execution.worker import TrialTask
from tuner.storage.storage import Storage
from tuner.study.settings import Resources

_SWITCH_S = 0.0005  # Python's own is ten times that


def run_on_ray(
    controller: Controller, storage: Storage, out: Path, slots: int | None, interrupted: threading.Event
) -> None:
    """Run a search's trials on the connected cluster until the controller has no more.

    Args:
        controller: decides what runs; hears of everything.
        storage: where trials keep their states.
        out: absolute folder; tracebacks go to `errors/`. Ray's own files there are removed at the end.
        slots: how many trials, or stacks of them, at once, None for as many as the cluster takes.
        interrupted: ends the search soon after it is set.
    """
    study = controller.study
    answers = Answers() if study.resources.workers == 1 else None
    desk = None if answers is None else answers.desk
    task = TrialTask(study.trial, study.metric.name, study.resources, storage.uri, desk)
    searcher, name = StudySearcher(controller, slots), "ray"
    shutil.rmtree(out / name, ignore_errors=True)  # of a session that was killed
    tuner = tune.Tuner(
        tune.with_resources(build_trainable(task), _request(study.resources)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=StudyScheduler(controller, searcher.attempts, out / "errors", answers),
            num_samples=-1,
            max_concurrent_trials=slots,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(out),  # of snapshots, which only the driver writes
            stop=BudgetStopper(controller, interrupted),
            callbacks=[StudyCallback(controller, searcher.attempts, out / "errors", answers)],
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    try:
        with _prompt():
            tuner.fit()
    finally:
        if answers is not None:
            answers.close()
        shutil.rmtree(out / name, ignore_errors=True)  # the journal is the record


@contextmanager
def _prompt() -> Iterator[None]:
    """Let this thread, which trials wait for, have Python soon after the one that writes to MLflow has it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _request(resources: Resources) -> dict[str, float] | tune.PlacementGroupFactory:
    """One trial's resources; several processes are reserved together, on few machines."""
    each = {"cpu": resources.cpu, "gpu": resources.gpu}
    if resources.workers == 1:
        return each
    upper = {key.upper(): value for key, value in each.items() if value}
    return tune.PlacementGroupFactory([{}] + [upper] * resources.workers, strategy="PACK")


def _name(trial: object) -> str:
    config = trial.config  # type: ignore[attr-defined]
    return f"{config['number']:04d}-{config['count']}"
