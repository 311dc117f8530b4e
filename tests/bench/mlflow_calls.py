"""Time that MLflow adds to a trial of 20 epochs with 3 metrics: as a search does, and one call per value.

A search delivers events every two seconds; here all epochs of a trial fall into one delivery. The store is
sqlite on disk. The whole trial is measured, too: run, parameters, tags and final metrics on our side; run and
end only on the other.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.side_by_side import Row, in_turns
from tuner.journal.event import FORMAT, Event, EventKind
from tuner.study.study import Study
from tuner.tracking.artifacts import Artifacts
from tuner.tracking.best_reports import BestReports
from tuner.tracking.client import make_store, open_client
from tuner.tracking.delivery import BackgroundDelivery
from tuner.tracking.runs import Runs
from tuner.tracking.trial_artifacts import ArtifactReader

EPOCHS, REPEATS, GOAL = 20, 7, 8.0
NAMES = ("loss", "accuracy", "eer")
_NUMBERS = itertools.count()


def metrics(epoch: int) -> dict[str, float]:
    """Return the metrics of an epoch, the same on both sides."""
    return {name: epoch + place / 10 for place, name in enumerate(NAMES)}


class Ours:
    """Trials as a search writes them, through delivery and runs.

    Args:
        client: of MLflow.
        experiment: id of an experiment.
        out: folder of a study.
    """

    def __init__(self, client: Any, experiment: str, out: Path) -> None:
        study = Study.model_validate(
            {
                "name": "calls", "trial": "tests.bench.overhead_sides:run", "epochs": EPOCHS, "trials": 100,
                "search": {"x": {"float": [0, 1]}}, "metric": {"name": "loss", "mode": "min"},
            }
        )  # fmt: skip
        results = Artifacts(client, experiment, study, out, ArtifactReader(str(out), study.trial))
        self._runs = Runs(client, experiment, study, BestReports(study), results)
        started = {"format": FORMAT, "search": "calls", "study": study.to_dict(), "memory": {}}
        self._runs.deliver([Event(EventKind.STUDY_STARTED, None, started)])

    def begin(self) -> int:
        number = next(_NUMBERS)
        self._runs.deliver([Event(EventKind.TRIAL_STARTED, number, {"params": {"x": 0.5}, "encoded": {}})])
        return number

    def report(self, number: int) -> None:
        delivery = BackgroundDelivery(self._runs.deliver, lambda error: 1.0, str, "MLflow")
        for event in reports(number):
            delivery.add(event)
        delivery.close()

    def report_each(self, number: int) -> None:
        for event in reports(number):
            self._runs.deliver([event])

    def end(self, number: int) -> None:
        content = {"state": "complete", "reason": "", "epoch": EPOCHS, "trace": "", "seconds": 4.0}
        self._runs.deliver([Event(EventKind.TRIAL_ENDED, number, content)])


def reports(number: int) -> list[Event]:
    """Of one trial."""
    return [
        Event(
            EventKind.TRIAL_REPORTED,
            number,
            {"epoch": epoch, "metrics": metrics(epoch), "checkpoint": None, "seconds": 0.2},
        )
        for epoch in range(1, EPOCHS + 1)
    ]


def one_by_one(client: Any, run: str) -> None:
    """A call for each value."""
    for epoch in range(1, EPOCHS + 1):
        for name, value in metrics(epoch).items():
            client.log_metric(run, name, value, step=epoch)


def history(client: Any, run: str) -> dict[str, list[tuple[int, float]]]:
    """What the store has of a run."""
    return {name: [(p.step, p.value) for p in client.get_metric_history(run, name)] for name in NAMES}


def measured(client: Any, experiment: str, ours: Ours) -> dict[str, float]:
    """Return the median milliseconds for the metrics of one trial, and for the whole trial."""
    begun = {side: iter([ours.begin() for _ in range(REPEATS + 1)]) for side in ("batch", "each")}
    made = iter([client.create_run(experiment).info.run_id for _ in range(REPEATS + 1)])

    def whole_reference() -> None:
        run = client.create_run(experiment).info.run_id
        one_by_one(client, run)
        client.set_terminated(run)

    def whole_ours() -> None:
        number = ours.begin()
        ours.report(number)
        ours.end(number)

    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: ours.report(next(begun["batch"])),
        "log_batch an epoch": lambda: ours.report_each(next(begun["each"])),
        "log_metric a value": lambda: one_by_one(client, next(made)),
        "whole ours": whole_ours,
        "whole reference": whole_reference,
    }
    seconds = in_turns(sides, REPEATS, time.perf_counter)  # the disk counts
    return {name: 1000 * value for name, value in seconds.items()}


def same(client: Any, experiment: str, ours: Ours) -> bool:
    """Whether the store has the same points of both ways."""
    number, run = ours.begin(), client.create_run(experiment).info.run_id
    ours.report(number)
    one_by_one(client, run)
    (found,) = client.search_runs([experiment], f"tags.trial_id = '{number:04d}'")
    return history(client, found.info.run_id) == history(client, run)


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="calls-") as folder:
        out = Path(folder)
        make_store(out / "mlflow.db")
        client = open_client(f"sqlite:///{out}/mlflow.db")
        experiment = client.create_experiment("calls", artifact_location=(out / "artifacts").as_uri())
        ours = Ours(client, experiment, out)
        deviation = "equal" if same(client, experiment, ours) else "not equal"
        ms = measured(client, experiment, ours)
    load = f"wall time, load {os.getloadavg()[0]:.1f}"
    reference = ms["log_metric a value"]
    return [
        Row(
            f"MLflow, metrics of a trial of {EPOCHS} epochs x {len(NAMES)}", ms["ours"], reference, "ms",
            reference / ms["ours"], GOAL, deviation, note=f"all that came within two seconds at once; {load}",
        ),
        Row(
            "MLflow, a log_batch an epoch", ms["log_batch an epoch"], reference, "ms",
            reference / ms["log_batch an epoch"], None, deviation, note="where epochs take over two seconds",
        ),
        Row(
            "MLflow, a whole trial", ms["whole ours"], ms["whole reference"], "ms",
            ms["whole reference"] / ms["whole ours"], None, deviation,
            note="ours with parameters, tags and best figures besides",
        ),
    ]  # fmt: skip
