"""One search three ways: ours, Ray Tune as its documentation puts it together, and as an expert sets it up.

All draw from the same space by TPE and run ASHA with a grace of all epochs, so that it ranks, stops nobody,
and all run the same epochs. All save a small file per epoch and write MLflow runs to a new sqlite store.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.trial import Context

SLOTS = 2
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AIR_NEW_OUTPUT": "0", "MLFLOW_DISABLE_TELEMETRY": "true", "OPTUNA_SHOW_WARNINGS": "0",
}  # fmt: skip


@dataclass(frozen=True)
class Load:
    """What each side runs: trials of so many epochs that sleep `epoch_s` seconds each."""

    trials: int
    epochs: int
    epoch_s: float

    @property
    def ideal_s(self) -> float:
        """Seconds of the sleep alone, on all slots."""
        return self.trials * self.epochs * self.epoch_s / SLOTS


def curve(x: float, epoch: int) -> float:
    """Return what a trial reports; no two are alike."""
    return float((x - 0.3) ** 2 + 1 / epoch)


def run(config: dict[str, Any], context: Context) -> None:
    """Trial function of our search."""
    for epoch in range(1, config["epochs"] + 1):
        time.sleep(config["epoch_s"])
        metrics = {"loss": curve(config["x"], epoch), "accuracy": config["x"]}
        context.report(metrics, lambda folder, now=epoch: _save(folder, now))  # type: ignore[misc]


def ours(load: Load, folder: Path) -> dict[str, float]:
    """Return seconds of a search as `fsd-tuner search` runs it, from the import of MLflow to the export."""
    from rich.console import Console

    from tuner.cluster.connection import cluster
    from tuner.study.study import Study
    from tuner.workflows.search import search

    content = {
        "name": "overhead", "trial": f"{__name__}:run", "epochs": load.epochs, "trials": load.trials,
        "settings": {"epoch_s": load.epoch_s},
        "search": {"x": {"float": [0, 1]}, "y": {"log": [1e-4, 1]}},
        "metric": {"name": "loss", "mode": "min"}, "sampler": {"name": "tpe", "seed": 1},
        "scheduler": {"name": "asha", "grace_period": load.epochs}, "concurrency": SLOTS,
    }  # fmt: skip
    begin = time.monotonic()
    with cluster():
        ready = time.monotonic()
        outcome = search(Study.model_validate(content), folder / "out", Console(file=io.StringIO()))
        end = time.monotonic()
    ran = sum(trial.epoch for trial in outcome.trials)
    return {"ray": ready - begin, "search": end - ready, "epochs": ran}


def stock(load: Load, folder: Path) -> dict[str, float]:
    """Return seconds of the same search as Ray's own documentation puts it together."""
    begin, ready = _started()
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    mlflow = MLflowLoggerCallback(f"sqlite:///{folder}/mlflow.db", experiment_name="overhead")
    ran = _fit(load, folder, mlflow, reuse_actors=False)
    return {"ray": ready - begin, "search": time.monotonic() - ready, "epochs": ran}


def expert(load: Load, folder: Path) -> dict[str, float]:
    """Return seconds of the same search with what Ray Tune offers for speed.

    Actors are reused, Ray's own CSV, JSON and TensorBoard files are off, and MLflow gets one synchronous
    `log_batch` per report. The MLflow store exists before the clock starts.
    """
    from mlflow import MlflowClient

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("overhead")
    begin, ready = _started()
    ran = _fit(load, folder, _batches(client, experiment), reuse_actors=True)
    return {"ray": ready - begin, "search": time.monotonic() - ready, "epochs": ran}


SIDES = {"ours": ours, "expert": expert, "stock": stock}


def _started() -> tuple[float, float]:
    """Start Ray; return the moments before and after."""
    begin = time.monotonic()
    import ray

    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    return begin, time.monotonic()


def _fit(load: Load, folder: Path, callback: Any, reuse_actors: bool) -> int:
    """Run Ray Tune; return the number of epochs."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    results = tune.Tuner(
        tune.with_resources(_ray_trial, {"cpu": 1}),
        param_space={
            "x": tune.uniform(0, 1), "y": tune.loguniform(1e-4, 1),
            "epochs": load.epochs, "epoch_s": load.epoch_s,
        },
        tune_config=tune.TuneConfig(
            metric="loss", mode="min", num_samples=load.trials, max_concurrent_trials=SLOTS,
            search_alg=OptunaSearch(seed=1), reuse_actors=reuse_actors,
            scheduler=ASHAScheduler(max_t=load.epochs, grace_period=load.epochs),
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[callback]),
    ).fit()  # fmt: skip
    return sum(result.metrics["training_iteration"] for result in results)


def _ray_trial(config: dict[str, Any]) -> None:
    from ray import tune

    for epoch in range(1, config["epochs"] + 1):
        time.sleep(config["epoch_s"])
        with tempfile.TemporaryDirectory() as folder:
            _save(Path(folder), epoch)
            metrics = {"loss": curve(config["x"], epoch), "accuracy": config["x"]}
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def _batches(client: Any, experiment: str) -> Any:
    """Return a Ray Tune callback that writes one batch per report."""
    from mlflow.entities import Metric, Param
    from ray import tune

    class Batches(tune.Callback):
        def __init__(self) -> None:
            self._runs: dict[str, str] = {}

        def __getstate__(self) -> dict[str, Any]:  # Ray pickles its configuration; the client is not needed
            return {"_runs": self._runs}

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            run = client.create_run(experiment, run_name=trial.trial_id).info.run_id
            self._runs[trial.trial_id] = run
            params = [Param(key, str(value)) for key, value in trial.config.items()]
            client.log_batch(run, params=params)

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
        ) -> None:
            now, step = int(1000 * time.time()), result["training_iteration"]
            metrics = [Metric(name, result[name], now, step) for name in ("loss", "accuracy")]
            client.log_batch(self._runs[trial.trial_id], metrics=metrics)

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            client.set_terminated(self._runs[trial.trial_id])

    return Batches()


def _save(folder: Path, epoch: int) -> None:
    (folder / "state.json").write_text(json.dumps({"epoch": epoch, "weights": [0.0] * 1000}))
