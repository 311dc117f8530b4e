"""What the search adds to the time of its trials, beside stock Ray Tune with OptunaSearch, ASHA and MLflow.

    python -m tests.bench.overhead --trials 100 --epochs 5 --rounds 2

A trial sleeps 0.2 s an epoch, reports and saves a small file; two run at a time. The ideal is that sleep
alone, trials * epochs * 0.2 / 2 seconds. Both searches draw from the same space by TPE, both run ASHA with a
grace of all epochs, so that it ranks but stops nobody and both run the same epochs, both write MLflow runs to
a new sqlite store. Each search has a process of its own, in turns. The start of Ray is told apart; everything
else counts, from the import of MLflow to the export of the winner.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.side_by_side import Row
from tuner.trial import Context

EPOCH_S, SLOTS = 0.2, 2
TRIALS, EPOCHS, ROUNDS = 100, 5, 1
GOAL, GOAL_OF_STOCK = 0.05, 1 / 3


def curve(x: float, epoch: int) -> float:
    """What a trial reports; no two are alike."""
    return float((x - 0.3) ** 2 + 1 / epoch)


def run(params: dict[str, Any], context: Context) -> None:
    """The trial function of the search."""
    for epoch in range(1, params["epochs"] + 1):
        time.sleep(EPOCH_S)
        metrics = {"loss": curve(params["x"], epoch), "accuracy": params["x"]}
        context.report(metrics, lambda folder, now=epoch: _save(folder, now))  # type: ignore[misc]


def _save(folder: Path, epoch: int) -> None:
    (folder / "state.json").write_text(json.dumps({"epoch": epoch, "weights": [0.0] * 1000}))


def search_ours(trials: int, epochs: int, folder: Path) -> dict[str, float]:
    """Seconds of a search as `fsd-tuner search` runs it."""
    from rich.console import Console

    from tuner.cluster.connection import cluster
    from tuner.search.search import search
    from tuner.study.study import Study

    content = {
        "name": "overhead", "trial": "tests.bench.overhead:run", "epochs": epochs, "trials": trials,
        "search": {"x": {"float": [0, 1]}, "y": {"log": [1e-4, 1]}},
        "metric": {"name": "loss", "mode": "min"},
        "sampler": {"name": "tpe", "seed": 1}, "scheduler": {"name": "asha", "grace_period": epochs},
        "concurrency": SLOTS,
    }  # fmt: skip
    begin = time.monotonic()
    with cluster():
        ready = time.monotonic()
        outcome = search(Study.model_validate(content), folder / "out", Console(file=io.StringIO()))
        end = time.monotonic()
    ran = sum(trial.epoch for trial in outcome.trials)
    return {"ray": ready - begin, "search": end - ready, "epochs": ran}


def search_stock(trials: int, epochs: int, folder: Path) -> dict[str, float]:
    """Seconds of the same search as Ray's own documentation puts it together."""
    begin = time.monotonic()
    import ray
    from ray import tune

    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ready = time.monotonic()
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    space = {"x": tune.uniform(0, 1), "y": tune.loguniform(1e-4, 1), "epochs": epochs}
    mlflow = MLflowLoggerCallback(f"sqlite:///{folder}/mlflow.db", experiment_name="overhead")
    results = tune.Tuner(
        tune.with_resources(_stock_trial, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="loss", mode="min", num_samples=trials, max_concurrent_trials=SLOTS,
            search_alg=OptunaSearch(seed=1), scheduler=ASHAScheduler(max_t=epochs, grace_period=epochs),
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[mlflow]),
    ).fit()  # fmt: skip
    end = time.monotonic()
    ran = sum(result.metrics["training_iteration"] for result in results)
    ray.shutdown()
    return {"ray": ready - begin, "search": end - ready, "epochs": ran}


def _stock_trial(config: dict[str, Any]) -> None:
    from ray import tune

    for epoch in range(1, config["epochs"] + 1):
        time.sleep(EPOCH_S)
        with tempfile.TemporaryDirectory() as folder:
            _save(Path(folder), epoch)
            metrics = {"loss": curve(config["x"], epoch), "accuracy": config["x"]}
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


SEARCHES = {"ours": search_ours, "stock": search_stock}
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AIR_NEW_OUTPUT": "0", "MLFLOW_DISABLE_TELEMETRY": "true", "OPTUNA_SHOW_WARNINGS": "0",
}  # fmt: skip


def measure(which: str, trials: int, epochs: int) -> dict[str, float]:
    """One search in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        command = [sys.executable, "-m", "tests.bench.overhead", "--one", which, "--folder", folder]
        done = subprocess.run(
            [*command, "--trials", str(trials), "--epochs", str(epochs)],
            env=os.environ | _ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{which} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return row


def table(rows: list[tuple[str, dict[str, float]]]) -> str:
    """The measurements, one a row; what is added is in percent of the ideal."""
    lines = [
        "| search | epochs run | ideal s | search s | added s | added | Ray's start s | load |",
        "|" + "---|" * 8,
    ]
    for which, row in rows:
        ideal = row["epochs"] * EPOCH_S / SLOTS
        added = row["search"] - ideal
        lines.append(
            f"| {which} | {row['epochs']:.0f} | {ideal:.1f} | {row['search']:.1f} | {added:.1f} "
            f"| {added / ideal:.1%} | {row['ray']:.1f} | {row['load']:.1f} |"
        )
    return "\n".join(lines)


def in_rounds(trials: int, epochs: int, rounds: int) -> list[tuple[str, dict[str, float]]]:
    """Both searches in turns, each with the machine's load after it."""
    rows = []
    for _ in range(rounds):
        for which in sorted(SEARCHES):
            row = measure(which, trials, epochs)
            rows.append((which, row | {"load": os.getloadavg()[0]}))
            print(which, rows[-1][1], file=sys.stderr, flush=True)
    return rows


def rows() -> list[Row]:
    """What is added, as medians of all rounds."""
    measured = in_rounds(TRIALS, EPOCHS, ROUNDS)
    ideal = TRIALS * EPOCHS * EPOCH_S / SLOTS
    added = {side: _median(measured, side, "search") - ideal for side in SEARCHES}
    whole = {side: added[side] + _median(measured, side, "ray") for side in SEARCHES}
    epochs = {side: _median(measured, side, "epochs") for side in SEARCHES}
    deviation = "equal" if set(epochs.values()) == {TRIALS * EPOCHS} else f"epochs run {epochs}"
    loads = ", ".join(f"{row['load']:.1f}" for _, row in measured)
    what = f"{TRIALS} trials of {EPOCHS} epochs of {EPOCH_S} s, {SLOTS} at a time; load {loads}"
    return [
        Row(
            "driver overhead", added["ours"], ideal, "s", added["ours"] / ideal, GOAL, deviation, True,
            f"what a search adds to the ideal; {what}",
        ),
        Row(
            "driver overhead against stock", added["ours"], added["stock"], "s",
            added["ours"] / added["stock"], GOAL_OF_STOCK, deviation, True,
        ),
        Row(
            "driver overhead against stock, Ray's start included", whole["ours"], whole["stock"], "s",
            whole["ours"] / whole["stock"], None, deviation, True, "our imports come in while Ray starts",
        ),
    ]  # fmt: skip


def _median(measured: list[tuple[str, dict[str, float]]], side: str, what: str) -> float:
    return statistics.median(row[what] for which, row in measured if which == side)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", choices=sorted(SEARCHES))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(SEARCHES[given.one](given.trials, given.epochs, given.folder)))
        return
    print(table(in_rounds(given.trials, given.epochs, given.rounds)))


if __name__ == "__main__":
    main()
