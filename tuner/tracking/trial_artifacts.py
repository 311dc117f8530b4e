"""What a trial's last checkpoint holds to look at: facts, files and plots."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import StudyError, lines
from tuner.results.export import facts
from tuner.storage.storage import Storage
from tuner.text import size
from tuner.trial_module import TrialModule

FOLDER = "artifacts"
_MAX_BYTES = 64 * 2**20
_PATIENCE_S = 10.0  # a search that is over waits for the rest of its tracking


@dataclass(frozen=True)
class TrialArtifacts:
    """What one trial left.

    Attributes:
        facts: the flat object of its `facts.json`.
        folder: holds the files; None if there are none.
        problem: why something is missing, or "".
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    problem: str = ""


class ArtifactReader:
    """Reads the checkpoints of a search. What cannot be read is a problem to note, never an error.

    Args:
        storage: URI of the storage of the checkpoints.
        trial: name of the trial function, whose module may have `draw_plots` and `as_mlflow_model`.
    """

    def __init__(self, storage: str, trial: str) -> None:
        self._storage, self._trial = Storage(storage, _PATIENCE_S), trial

    @contextmanager
    def read(self, checkpoint: str | None) -> Iterator[TrialArtifacts]:
        """Read a checkpoint; the files exist until the context ends.

        Args:
            checkpoint: its name in the storage, or None.
        """
        with ExitStack() as stack:
            yield TrialArtifacts() if checkpoint is None else self._read(checkpoint, stack)

    def as_mlflow_model(self, exported: Path) -> Mapping[str, Any] | None:
        """Return how MLflow loads the winner's export; None if the trial's module does not say.

        Raises:
            ValueError: any error of the module's `as_mlflow_model`.
        """
        as_mlflow_model = TrialModule(self._trial).as_mlflow_model
        try:
            return None if as_mlflow_model is None else as_mlflow_model(exported)
        except Exception as error:
            raise ValueError(lines(error)[0]) from error

    def _read(self, checkpoint: str, stack: ExitStack) -> TrialArtifacts:
        known: dict[str, Any] = {}
        try:
            saved = stack.enter_context(self._storage.fetched(checkpoint))
            known = facts(saved)
            files = saved / FOLDER
            if not files.is_dir():
                return TrialArtifacts(known)
            total = sum(path.stat().st_size for path in files.rglob("*") if path.is_file())
            if total > _MAX_BYTES:
                problem = f"{size(total)} are more than {size(_MAX_BYTES)}"
                return TrialArtifacts(known, problem=problem)
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fsd-tuner-")), FOLDER)
            shutil.copytree(files, copy)
        except (OSError, StudyError) as error:
            return TrialArtifacts(known, problem=lines(error)[0])
        return TrialArtifacts(known, copy, self._draw_plots(copy))

    def _draw_plots(self, folder: Path) -> str:
        """Let the trial's module draw into the folder; return why it could not, or ""."""
        try:
            draw_plots = TrialModule(self._trial).draw_plots
            if draw_plots is not None:
                draw_plots(folder)
        except Exception as error:  # noqa: BLE001 - from the trial's code; the files are kept all the same
            return f"draw_plots: {lines(error)[0]}"
        return ""
