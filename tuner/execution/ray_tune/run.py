"""Runs the trials of a study on a Ray cluster with `tune.Tuner`."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from ray import tune

from tuner.controller.controller import Controller
from tuner.execution.ray_tune.callback import StudyCallback
from tuner.execution.ray_tune.scheduler import BudgetStopper, StudyScheduler
from tuner.execution.ray_tune.searcher import StudySearcher
from tuner.execution.ray_tune.trainable import build_trainable
from tuner.execution.stacking.driver import StackDriver
from tuner.execution.stacking.mailbox import DriverMailbox
from tuner.execution.worker import TrialTask
from tuner.storage.storage import Storage
from tuner.study.settings import Resources

_NAME = "ray"  # of Ray's folder in the study folder


def run_on_ray(
    controller: Controller, storage: Storage, out: Path, slots: int | None, interrupted: threading.Event
) -> None:
    """Run a search on the connected cluster until the controller is finished or halted.

    Args:
        controller: decides what runs.
        storage: holds the checkpoints.
        out: absolute study folder; tracebacks go to `errors/`. Ray's own files there are removed at the end.
        slots: how many trials, or stacks of them, run at once; None for as many as the cluster takes.
        interrupted: halts the search soon after it is set.
    """
    study = controller.study
    mailbox = DriverMailbox() if study.resources.stack > 1 else None
    name = None if mailbox is None else mailbox.name
    task = TrialTask(study.trial, study.metric.name, study.resources, storage.uri, name)
    shutil.rmtree(out / _NAME, ignore_errors=True)  # of a session that was killed
    try:
        _tuner(controller, task, out, slots, interrupted, mailbox).fit()
    finally:
        if mailbox is not None:
            mailbox.close()
        shutil.rmtree(out / _NAME, ignore_errors=True)  # the journal is what remains


def _tuner(
    controller: Controller, task: TrialTask, out: Path, slots: int | None, interrupted: threading.Event,
    mailbox: DriverMailbox | None,
) -> tune.Tuner:  # fmt: skip
    searcher, errors = StudySearcher(controller, slots), out / "errors"
    stacks = None if mailbox is None else StackDriver(controller, searcher.attempts, errors, mailbox)
    return tune.Tuner(
        tune.with_resources(build_trainable(task), _request(task.resources)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=StudyScheduler(controller, searcher.attempts, errors, stacks),
            num_samples=-1,
            max_concurrent_trials=slots,
            reuse_actors=True,
            trial_name_creator=trial_name,
            trial_dirname_creator=trial_name,
        ),
        run_config=tune.RunConfig(
            name=_NAME,
            storage_path=str(out),  # for snapshots, which only the driver writes
            stop=BudgetStopper(controller, interrupted),
            callbacks=[StudyCallback(controller, searcher.attempts, errors, stacks)],
            failure_config=tune.FailureConfig(max_failures=0),  # the controller retries, by cause
            verbose=0,
        ),
    )


def _request(resources: Resources) -> dict[str, float] | tune.PlacementGroupFactory:
    """Return the resources of one Ray trial; several processes are reserved together, on few machines."""
    each = {"cpu": resources.cpu, "gpu": resources.gpu}
    if resources.workers == 1:
        return each
    upper = {key.upper(): value for key, value in each.items() if value}
    return tune.PlacementGroupFactory([{}] + [upper] * resources.workers, strategy="PACK")


def trial_name(trial: Any) -> str:
    """Return a Ray trial's name: `trial-0003`, `trial-0003-attempt-2`, `stack-0003` by its first member."""
    kind = "stack" if "stack" in trial.config else "trial"
    name, count = f"{kind}-{trial.config['number']:04d}", trial.config["count"]
    return name if count == 1 else f"{name}-attempt-{count}"
