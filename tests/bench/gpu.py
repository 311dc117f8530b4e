"""`make bench-gpu`: training steps on a GPU, ECANet-18, four exits, batches of 64, beside a plain loop.

The plain loop is float32 in torch's own memory format, exit by exit, and copies float32 tensors to the
device; the trainers gather the rows of float16 features that lie there. One trial eagerly and as a replayed
graph; eight as one model, on a stream each, and as graphs on a stream each. All run the same updates, so that
their losses can be held against those of a trainer on the CPU in float32. Where there is no GPU, nothing is
measured and nothing has failed.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch

from fsd_model.experimental.cuda_graph import record_updates
from fsd_model.experimental.stacked.epoch import StackedEpoch
from fsd_model.training.data import TrainingData
from fsd_model.training.trainer import Trainer
from tests.bench.side_by_side import Row, in_turns, table
from tests.bench.step import CUTS, PRECISIONS, Step, data, eager_step
from tests.fsd_model.support.synthetic import config

BATCH, TRIALS, REPEATS, STEPS = 64, 8, 9, 20
COMPARED = 6  # updates whose losses are held against the CPU's: three of a graph's run eagerly
GOALS = {"graph": 2.0, "stacked": 2.0}  # what each needs to stay; see fsd_model.experimental
RESULTS = Path(__file__).parent / "results"
NO_GPU = "no GPU is visible here: nothing was measured"


def trainer(given: TrainingData, precision: str, device: str, seed: int = 3, graph: bool = False) -> Trainer:
    """At its defaults, features on the device."""
    changes = {"network.depth": 18, "cuts": CUTS, "batch_size": BATCH, "seed": seed}
    runtime = {"device": device, "precision": precision, "resident": True, "cuda_graph": graph}
    one = Trainer(config(**changes, **{f"runtime.{name}": value for name, value in runtime.items()}), given)
    one.network.train()
    if graph:
        record_updates(one)
    return one


def compiled(one: Trainer) -> Trainer:
    """The same with PyTorch's own recording of CUDA graphs."""
    one.distiller.network = torch.compile(one.network, mode="reduce-overhead")
    return one


def rows_of(update: int, size: int) -> np.ndarray:
    return (np.arange(BATCH) + update * BATCH) % size


def alone(one: Trainer) -> Step:
    """One update each time it is called."""
    updates, size = count(), len(one.data.train.labels_N)
    return lambda: one.train_step(rows_of(next(updates), size)).total


def stacked(trainers: list[Trainer]) -> Step:
    """One update of all as one model; tells the first one's loss."""
    epoch = StackedEpoch(trainers)
    epoch.network.train()
    updates, size = count(), len(trainers[0].data.train.labels_N)

    def step() -> torch.Tensor:
        rows_B = rows_of(next(updates), size)
        # other rows for each, as their seeds give them; the first has those of a trial by itself
        rows_KB = np.stack([(rows_B + shift) % size for shift in range(len(trainers))])
        return epoch.step(rows_KB)[0, 0]

    return step


def side_by_side(trainers: list[Trainer], device: str) -> Step:
    """One update of each, on a stream each where there are streams; tells the first one's loss."""
    steps = [alone(one) for one in trainers]
    lanes = [torch.cuda.Stream() for _ in trainers] if device == "cuda" else []
    if lanes:
        torch.cuda.synchronize()  # networks and features were made on another stream

    def lane(number: int) -> AbstractContextManager[object]:
        return torch.cuda.stream(lanes[number]) if lanes else nullcontext()

    def step() -> torch.Tensor:
        totals = []
        for number, one in enumerate(steps):
            with lane(number):
                totals.append(one())
        return totals[0]

    return step


def sides(given: TrainingData, device: str) -> dict[str, tuple[Step, int, float | None]]:
    """Name of each side -> its step, the trials that it trains, and the goal."""
    made: dict[str, tuple[Step, int, float | None]] = {}
    for precision in PRECISIONS:
        new = partial(trainer, given, precision, device)

        def several(graph: bool = False, new: Callable[..., Trainer] = new) -> list[Trainer]:
            return [new(3 + number, graph) for number in range(TRIALS)]

        made |= {
            f"trainer, eager, {precision}": (alone(new()), 1, None),
            f"trainer, graph, {precision}": (alone(new(graph=True)), 1, GOALS["graph"]),
            f"{TRIALS} stacked, {precision}": (stacked(several()), TRIALS, GOALS["stacked"]),
            f"{TRIALS} trainers, a stream each, {precision}": (side_by_side(several(), device), TRIALS, None),
            f"{TRIALS} graphs, a stream each, {precision}": (
                side_by_side(several(graph=True), device), TRIALS, None,
            ),
        }  # fmt: skip
        if device == "cuda":
            made[f"trainer, torch.compile reduce-overhead, {precision}"] = (alone(compiled(new())), 1, None)
    return made


def losses(step: Step, updates: int, device: str) -> np.ndarray:
    totals = []
    for _ in range(updates):
        totals.append(step())
        if device == "cuda":
            torch.cuda.synchronize()  # streams are not in order with each other
    return torch.stack(totals).cpu().double().numpy()


def burst(step: Step, device: str, steps: int) -> Callable[[], None]:
    """Some steps, and the wait for the device to have done them."""

    def run() -> None:
        for _ in range(steps):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def rows(device: str, repeats: int = REPEATS, steps: int = STEPS) -> list[Row]:
    """Each side beside the plain loop, in sample-trials per second by wall clock."""
    given = data()
    plain = eager_step(given, BATCH, device)
    made = sides(given, device)
    expected = losses(alone(trainer(given, "float32", "cpu")), COMPARED, "cpu")
    apart = {name: np.abs(losses(step, COMPARED, device) / expected - 1) for name, (step, *_) in made.items()}
    first = abs(float(plain()) / expected[0] - 1)
    bursts = {name: burst(step, device, steps) for name, (step, *_) in made.items()}
    seconds = in_turns({"plain": burst(plain, device, steps), **bursts}, repeats, time.perf_counter)
    slow = BATCH * steps / seconds["plain"]
    found = [Row("plain loop, float32", slow, slow, "samples/s", 1.0, None, f"first loss {first:.1e}")]
    for name, (_, trials, goal) in made.items():
        rate = BATCH * steps * trials / seconds[name]
        far = f"losses {apart[name][0]:.1e} at first, {apart[name].max():.1e} over {COMPARED} updates"
        found.append(Row(name, rate, slow, "sample-trials/s", rate / slow, goal, far))
    return found


def main() -> int:
    if not torch.cuda.is_available():
        print(NO_GPU)
        return 0
    card = torch.cuda.get_device_name()
    found = rows("cuda")
    told = f"`make bench-gpu`, {card}, torch {torch.__version__}, {date.today()}, wall clock"
    text = f"# Training steps on a GPU\n\n{told}; deviations from the CPU.\n\n{table(found)}"
    print(text)
    name = re.sub("[^a-z0-9]+", "-", f"{card} {date.today()}".lower())
    (RESULTS / f"{name}.md").write_text(text)
    return 0 if all(row.passes for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
