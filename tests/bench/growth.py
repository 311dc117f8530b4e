"""How a search grows with its trials: the driver's processor time and memory, its journal, MLflow's store.

    python -m tests.bench.growth --simulated 10 100 1000 10000 --whole 10 100 1000
    python -m tests.bench.growth --fleet 1000
    python -m tests.bench.growth --actors 20 40 --sampler random

Simulated: the controller, sampler, ASHA, journal (flushed to the disk) and progress of a real search; its
trials report at once, four at a time, in the same process; then the journal is replayed as by `--resume`.
Whole: `fsd-tuner search` without Ray, with MLflow, whose trials report three times. Fleet: so many trials at
once that report in turns, and what one report, one new trial and one event for MLflow cost the driver.
Seconds are of the process, not by the clock.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner.study.study import Study
from tuner.trial import Context

REPORTS, SLOTS = 9, 4
REPORTED = 100  # trials up to which the page is made, which takes a quarter of a second for ten
SEARCH: dict[str, Any] = {
    "x": {"float": [0, 1]}, "rate": {"log": [1e-4, 1]}, "width": {"int": [8, 64]},
    "kind": {"choice": ["round", "square"]}, "y": {"float": [0, 1]}, "z": {"float": [0, 1]},
}  # fmt: skip


def loss(params: dict[str, Any], report: int) -> float:
    """A bowl; no two settings are alike."""
    return float((params["x"] - 0.3) ** 2 + (params["y"] - 0.6) ** 2 + 0.1 * params["z"] + 1 / report)


def run(params: dict[str, Any], context: Context) -> None:
    """The trial function of a whole search."""
    for epoch in range(1, params["epochs"] + 1):
        time.sleep(params.get("pace_s", 0.0))
        context.report({"loss": loss(params, epoch), "accuracy": params["x"], "seconds": 0.0})


def study_of(trials: int, sampler: str, epochs: int) -> Any:
    return Study.model_validate(
        {
            "name": "growth", "trial": "tests.bench.growth:run", "epochs": epochs, "trials": trials,
            "search": SEARCH, "metric": {"name": "loss", "mode": "min"},
            "sampler": {"name": sampler, "seed": 1}, "scheduler": {"name": "asha"},
        }
    )  # fmt: skip


def simulated(trials: int, sampler: str, folder: Path, slots: int = SLOTS) -> dict[str, float]:
    """One search without machines, and its journal replayed."""
    from rich.console import Console

    from tests.bench.simulated import Simulated
    from tuner.journal.journal import Journal, read_events
    from tuner.journal.record import State
    from tuner.report.make import write_report
    from tuner.tracking.best_reports import BestReports
    from tuner.workflows.progress import Progress

    study = study_of(trials, sampler, REPORTS)
    path = folder / "journal.jsonl"
    journal = Journal(path)
    search = Simulated(study, loss, [journal], slots)
    progress = Progress(study, Console(file=io.StringIO()), search.controller.record)
    began, laps = time.process_time(), list[float]()
    search.controller.record.start_study("growth", study.to_dict())
    while search.step() is not None:
        begun = len(search.controller.record.trials)
        if begun * 10 // trials > len(laps):
            laps.append(time.process_time() - began)
    total = time.process_time() - began
    search.controller.end(State.COMPLETE)
    journal.close()
    tenths = [b - a for a, b in zip([0.0, *laps[:-1]], laps, strict=True)]  # by trials begun
    row = {
        "trials": trials, "reports": search.reports, "s": total, "first_s": tenths[0], "last_s": tenths[-1],
        "peak_mb": peak_mb(), "journal_mb": path.stat().st_size / 1e6,
        "status_s": timed(progress._status),
    }  # fmt: skip
    past = list(read_events(path))
    again = Simulated(study, loss)
    row["replay_s"] = timed(lambda: again.controller.resume(past))
    best_reports = BestReports(study)
    row["standings_s"] = timed(lambda: [best_reports.add(event) for event in past])
    (folder / "study.yaml").write_text("")
    row["html_s"] = timed(lambda: write_report(folder)) if trials <= REPORTED else math.nan
    return row


def whole(trials: int, sampler: str, folder: Path) -> dict[str, float]:
    """One search as `search_local` runs it, MLflow included."""
    from rich.console import Console

    from tuner.workflows.search import search_local

    out, clock = folder / "out", time.monotonic()
    began = time.process_time()
    search_local(study_of(trials, sampler, 3), out, Console(file=io.StringIO()))
    store = sum(file.stat().st_size for file in out.glob("mlflow.db*"))
    return {
        "trials": trials, "s": time.process_time() - began, "wall_s": time.monotonic() - clock,
        "peak_mb": peak_mb(), "journal_mb": (out / "journal.jsonl").stat().st_size / 1e6,
        "store_mb": store / 1e6,
    }  # fmt: skip


def ray(trials: int, sampler: str, folder: Path) -> dict[str, float]:
    """One search on Ray with two slots; Ray's start is not counted."""
    from rich.console import Console

    from tuner.cluster.connection import cluster
    from tuner.workflows.search import search

    with cluster():
        began, clock = time.process_time(), time.monotonic()
        study = study_of(trials, sampler, 3).model_copy(update={"concurrency": 2})
        search(study, folder / "out", Console(file=io.StringIO()))
        taken, wall = time.process_time() - began, time.monotonic() - clock
    return {"trials": trials, "s": taken, "wall_s": wall, "peak_mb": peak_mb()}


def actors(slots: int, sampler: str, folder: Path) -> dict[str, float]:
    """See `tests.bench.actors`."""
    from tests.bench.actors import searched

    return searched(slots, study_of(3 * slots, sampler, REPORTS).to_dict(), folder)


def fleet(slots: int, sampler: str, folder: Path) -> dict[str, float]:
    """What a report and a new trial cost with so many at once, once three times as many have begun."""
    from tests.bench.simulated import Simulated
    from tuner.journal.journal import Journal

    study = study_of(3 * slots, sampler, 27)
    search = Simulated(study, loss, [Journal(folder / "journal.jsonl")], slots)
    search.controller.record.start_study("fleet", study.to_dict())
    asked = list[float]()
    ask = search.controller._source.ask

    def timed_ask() -> Any:
        began = time.process_time()
        suggestion = ask()
        asked.append(time.process_time() - began)
        return suggestion

    search.controller._source.ask = timed_ask  # type: ignore[method-assign]
    search.fill()
    before, began, clock = len(asked), time.process_time(), time.monotonic()
    while search.step() is not None and len(search.controller.record.trials) < study.trials:
        pass
    later = asked[before:]
    taken = time.process_time() - began - sum(later)
    return {
        "slots": slots, "reports": search.reports, "ask_s": sum(later) / len(later),
        "report_s": taken / search.reports, "wall_s": time.monotonic() - clock, "peak_mb": peak_mb(),
    }  # fmt: skip


def timed(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


KINDS: dict[str, Callable[[int, str, Path], dict[str, float]]] = {
    "simulated": simulated, "whole": whole, "ray": ray, "actors": actors, "fleet": fleet,
}  # fmt: skip


def measure(kind: str, size: int, sampler: str) -> dict[str, float]:
    """One search in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        command = [sys.executable, "-m", "tests.bench.growth", "--one", kind, "--folder", folder]
        done = subprocess.run(
            [*command, f"--{kind}", str(size), "--sampler", sampler],
            stdout=subprocess.PIPE, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, nargs="*", default=[])
    parser.add_argument("--sampler", choices=["random", "tpe"], nargs="*", default=["random", "tpe"])
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        (size,), (sampler,) = getattr(given, given.one), given.sampler
        print(json.dumps(KINDS[given.one](size, sampler, given.folder)))
        return
    for kind in KINDS:
        for sampler in given.sampler:
            rows = [measure(kind, size, sampler) for size in getattr(given, kind)]
            if rows:
                print(f"\n{kind}, {sampler}, load {os.getloadavg()[0]:.1f}\n\n{table(rows)}", flush=True)


def table(rows: list[dict[str, float]]) -> str:
    """The rows in Markdown, a column a figure."""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    lines += [f"| {' | '.join(f'{row[name]:.4g}' for name in names)} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
