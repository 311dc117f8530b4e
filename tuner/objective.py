"""A trial function as Ray runs it: in a reused worker process, with checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tuner.definition import Resources
from tuner.devices import set_devices
from tuner.functions import load_trial
from tuner.metrics import METRICS, VALUE, checked
from tuner.trial import Metrics, Save


class RayContext:
    """The contract's context inside a Ray worker.

    Args:
        metric: the study metric's name.
        checkpoint: folder of an earlier attempt, or None.
    """

    def __init__(self, metric: str, checkpoint: Path | None) -> None:
        self._metric = metric
        self._checkpoint = checkpoint
        self.stopped = False

    @property
    def checkpoint(self) -> Path | None:
        return self._checkpoint

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        from ray import tune

        numbers = checked(metrics, self._metric)
        result = {VALUE: numbers[self._metric], METRICS: numbers}
        if save is None:
            self._report(result)
            return
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
            save(Path(folder))
            self._report(result, checkpoint=tune.Checkpoint.from_directory(folder))

    def _report(self, result: dict[str, Any], **checkpoint: Any) -> None:
        from ray import tune

        try:
            tune.report(result, **checkpoint)
        except SystemExit:
            self.stopped = True
            raise


def build_objective(trial: str, metric: str, resources: Resources) -> Callable[[dict[str, Any]], None]:
    """What Ray runs for one trial.

    Args:
        trial: `package.module:function`.
        metric: the study metric's name.
        resources: what the trial reserved.
    """

    def objective(config: dict[str, Any]) -> None:
        from ray import tune

        set_devices(resources)
        run = load_trial(trial)
        with ExitStack() as stack:
            restored = tune.get_checkpoint()
            folder = Path(stack.enter_context(restored.as_directory())) if restored else None
            context = RayContext(metric, folder)
            try:
                run(config["params"], context)
            except SystemExit as quit_by_itself:
                if context.stopped:
                    raise
                raise RuntimeError(f"the trial called sys.exit({quit_by_itself.code})") from None

    return objective
