"""One trial, in this process: a winner trained again, and whether it comes out the same."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tuner.errors import StudyError
from tuner.execution.in_process import run_local
from tuner.execution.preflight import prepared
from tuner.results.export import copy_export
from tuner.study.study import Study


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes:
        value: the study metric's last value.
        recorded: the value that the study file's `origin` recorded, or None.
        exported: what was copied to the output folder.
    """

    value: float
    recorded: float | None
    exported: list[Path]

    @property
    def same(self) -> bool:
        """Whether nothing contradicts the record: it is equal to the last bit, or there is none."""
        return self.recorded is None or self.value == self.recorded


def train(study: Study, out: Path | None, console: Console) -> Trained:
    """Run a study of one trial.

    Args:
        study: its search is empty.
        out: folder for what the trial exports, or None to keep nothing.
        console: gets one line per epoch.
    Raises:
        StudyError: the study searches, the folder holds something, the trial ended early or with a NaN.
        Exception: whatever the trial function raises.
    """
    if study.search:
        way_out = "give a best.yaml, or search with `fsd-tuner search`"
        raise StudyError(
            f"study {study.name}: searches {', '.join(study.search)}, so it is no single trial; {way_out}"
        )
    if out is not None and out.is_dir() and any(out.iterdir()):  # said before the training, not after it
        raise StudyError(f"--out {out}: is not empty; move what is there away or give another folder")
    ready = prepared(study)
    values: list[float] = []

    def on_report(epoch: int, metrics: dict[str, float]) -> None:
        values.append(metrics[study.metric.name])
        console.print(
            f"{ready.report_unit} {epoch}/{ready.max_reports}  {study.metric.name} {values[-1]:.6g}",
            highlight=False,
        )

    with tempfile.TemporaryDirectory(prefix="fsd-tuner-") as folder:
        keep = Path(folder) / "checkpoint"
        run_local(ready, {}, on_report, keep if out is not None else None)
        if len(values) < ready.max_reports or not math.isfinite(values[-1]):
            value = f", {study.metric.name} {values[-1]}" if values else ""
            reports = f"{len(values)} of {ready.max_reports} {ready.report_unit}s"
            raise StudyError(f"study {study.name}: ended after {reports}{value}")
        exported = [] if out is None else _export(keep, out)
    return Trained(values[-1], (study.origin or {}).get("value"), exported)


def _export(keep: Path, out: Path) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    return copy_export(keep, out.resolve())
