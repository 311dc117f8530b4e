"""What a search adds to the time of its trials: ours, Ray Tune as an expert sets it up, and as documented.

    python -m tests.bench.overhead                               # 100 trials of 5 epochs of 0.2 s
    python -m tests.bench.overhead --trials 16 --epoch-s 5       # epochs as long as real ones

A trial sleeps, reports and saves a small file per epoch; two run at a time. The ideal is the sleep alone,
trials * epochs * seconds / 2. Each search has a process of its own, in turns; the three are in
`overhead_sides.py`. The start of Ray is measured apart; everything else counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.overhead_sides import ENVIRONMENT, SIDES, SLOTS, Load
from tests.bench.side_by_side import Row

SHORT, LONG = Load(trials=100, epochs=5, epoch_s=0.2), Load(trials=16, epochs=5, epoch_s=5.0)
ROUNDS = 3
GOAL_SHORT, GOAL_LONG = 1.0, 0.02  # of what the expert's search adds; of the ideal

Measured = list[tuple[str, dict[str, float]]]


def measure(side: str, load: Load) -> dict[str, float]:
    """Run one search in a process of its own; return its seconds, epochs and load."""
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        command = [sys.executable, "-m", "tests.bench.overhead", "--one", side, "--folder", folder]
        done = subprocess.run(
            [*command, *_options(load)],
            env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{side} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return seconds | {"load": os.getloadavg()[0]}


def in_turns(load: Load, rounds: int) -> Measured:
    """Run all sides in turns, so that other work on the machine meets all alike."""
    measured = []
    for _ in range(rounds):
        for side in SIDES:
            measured.append((side, measure(side, load)))
            print(side, measured[-1][1], file=sys.stderr, flush=True)
    return measured


def table(measured: Measured, load: Load) -> str:
    """Return all runs and their medians as a Markdown table; what is added is in percent of the ideal."""
    lines = [
        "| search | epochs run | ideal s | search s | added s | added | Ray's start s | load |",
        "|" + "---|" * 8,
    ]
    runs = [*measured, *((f"**{side}, median**", median(measured, side)) for side in SIDES)]
    for side, seconds in runs:
        added = seconds["search"] - load.ideal_s
        lines.append(
            f"| {side} | {seconds['epochs']:.0f} | {load.ideal_s:.1f} | {seconds['search']:.1f} "
            f"| {added:.1f} | {added / load.ideal_s:.1%} | {seconds['ray']:.1f} | {seconds['load']:.1f} |"
        )
    return "\n".join(lines)


def median(measured: Measured, side: str) -> dict[str, float]:
    """Return the median of each quantity over the runs of a side."""
    runs = [seconds for name, seconds in measured if name == side]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def rows() -> list[Row]:
    """Return the rows of `make bench`: one round of short epochs, one of long ones."""
    return [*_short(in_turns(SHORT, 1)), *_long(in_turns(LONG, 1))]


def _short(measured: Measured) -> list[Row]:
    added = {side: median(measured, side)["search"] - SHORT.ideal_s for side in SIDES}
    return [
        Row(
            f"driver overhead against {side}", added["ours"], added[side], "s",
            added["ours"] / added[side], GOAL_SHORT if side == "expert" else None,
            _deviation(measured, SHORT), True, _what(measured, SHORT),
        )
        for side in ("expert", "stock")
    ]  # fmt: skip


def _long(measured: Measured) -> list[Row]:
    return [
        Row(
            f"driver overhead, {side}", median(measured, side)["search"] - LONG.ideal_s, LONG.ideal_s, "s",
            median(measured, side)["search"] / LONG.ideal_s - 1, GOAL_LONG if side == "ours" else None,
            _deviation(measured, LONG), True, f"share of the ideal; {_what(measured, LONG)}",
        )
        for side in SIDES
    ]  # fmt: skip


def _deviation(measured: Measured, load: Load) -> str:
    epochs = {side: median(measured, side)["epochs"] for side in SIDES}
    return "equal" if set(epochs.values()) == {load.trials * load.epochs} else f"epochs run {epochs}"


def _what(measured: Measured, load: Load) -> str:
    loads = ", ".join(f"{seconds['load']:.1f}" for _, seconds in measured)
    return (
        f"{load.trials} trials of {load.epochs} epochs of {load.epoch_s} s, {SLOTS} at a time; load {loads}"
    )


def _options(load: Load) -> list[str]:
    return ["--trials", str(load.trials), "--epochs", str(load.epochs), "--epoch-s", str(load.epoch_s)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=SHORT.trials)
    parser.add_argument("--epochs", type=int, default=SHORT.epochs)
    parser.add_argument("--epoch-s", type=float, default=SHORT.epoch_s)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--one", choices=sorted(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    load = Load(given.trials, given.epochs, given.epoch_s)
    if given.one:
        print(json.dumps(SIDES[given.one](load, given.folder)))
    else:
        print(table(in_turns(load, given.rounds), load))


if __name__ == "__main__":
    main()
