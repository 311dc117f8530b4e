"""`make bench-gpu`: the training step on a GPU, ECANet-18, four exits, batches of 64, beside a plain loop.

The plain loop is float32 in torch's own memory format, exit by exit, and copies float32 tensors; the trainer
copies the rows of its float16 features. Where there is no GPU, nothing is measured and nothing has failed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch

from tests.bench.side_by_side import in_turns
from tests.bench.step import PRECISIONS, Step, data, eager_step, step_of, trainer

BATCH, REPEATS, STEPS = 64, 9, 20


def burst(step: Step, device: str, steps: int) -> Callable[[], None]:
    """Some steps, and the wait for the device to have done them."""

    def run() -> None:
        for _ in range(steps):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def report(device: str, repeats: int = REPEATS, steps: int = STEPS) -> str:
    """A table in Markdown: utterances a second, and how far the first loss is from the CPU's in float32."""
    given = data()
    made: dict[str, Step] = {"plain loop, float32": eager_step(given, BATCH, device)}
    made |= {f"trainer, {p}": step_of(trainer(given, p, device=device), BATCH) for p in PRECISIONS}
    expected = float(eager_step(given, BATCH, "cpu")())
    apart = {name: abs(float(step()) / expected - 1) for name, step in made.items()}
    sides = {name: burst(step, device, steps) for name, step in made.items()}
    seconds = in_turns(sides, repeats, time.perf_counter)
    slowest = seconds["plain loop, float32"]
    lines = ["| step | utterances/s | against the plain loop | loss against the CPU's |", "|---|---|---|---|"]
    for name, value in seconds.items():
        speed = f"{BATCH * steps / value:.0f}"
        lines.append(f"| {name} | {speed} | {slowest / value:.2f} | {apart[name]:.1e} |")
    return "\n".join(lines)


def main() -> int:
    if not torch.cuda.is_available():
        print("no GPU is visible here: nothing was measured")
        return 0
    print(f"{torch.cuda.get_device_name()}, wall clock\n\n{report('cuda')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
