"""What a trial leaves to look at, out of its last saved state: facts, files and figures."""

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
from tuner.trial_module import load_illustrate, load_served

FOLDER = "artifacts"
_MOST_BYTES = 64 * 2**20
_PATIENCE_S = 10.0  # a search that is over waits for what is left of its tracking


@dataclass(frozen=True)
class ArtifactReader:
    """What one trial left.

    Attributes:
        facts: the flat object of its `facts.json`.
        folder: holds the files; None where there are none.
        problem: why something is missing, or "".
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    problem: str = ""


class TrialArtifacts:
    """Reads the states of a search's trials; what cannot be had is a problem to note, never an error.

    Args:
        storage: URI of the place of the states.
        trial: name of the trial function, whose module may have `draw_plots`.
    """

    def __init__(self, storage: str, trial: str) -> None:
        self._storage, self._trial = Storage(storage, _PATIENCE_S), trial

    @contextmanager
    def of(self, state: str | None) -> Iterator[ArtifactReader]:
        """What a state holds, there until the context ends.

        Args:
            state: its name in the storage, or None.
        """
        with ExitStack() as stack:
            yield ArtifactReader() if state is None else self._read(state, stack)

    def as_mlflow_model(self, exported: Path) -> Mapping[str, Any] | None:
        """How to load what the winner exported into a folder; None where the trial's module does not say.

        Raises:
            ValueError: what the module finds wrong with it, or any error of its own.
        """
        as_mlflow_model = load_served(self._trial)
        try:
            return None if as_mlflow_model is None else as_mlflow_model(exported)
        except Exception as error:
            raise ValueError(lines(error)[0]) from error

    def _read(self, state: str, stack: ExitStack) -> ArtifactReader:
        known: dict[str, Any] = {}
        try:
            saved = stack.enter_context(self._storage.fetched(state))
            known = facts(saved)
            files = saved / FOLDER
            if not files.is_dir():
                return ArtifactReader(known)
            size = sum(path.stat().st_size for path in files.rglob("*") if path.is_file())
            if size > _MOST_BYTES:
                return ArtifactReader(
                    known, problem=f"{size / 2**20:.0f} MiB are more than {_MOST_BYTES // 2**20}"
                )
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fsd-tuner-")), FOLDER)
            shutil.copytree(files, copy)
        except (OSError, StudyError) as error:
            return ArtifactReader(known, problem=lines(error)[0])
        return ArtifactReader(known, copy, self._illustrated(copy))

    def _illustrated(self, folder: Path) -> str:
        """Let the trial's module draw; why it could not, or ""."""
        try:
            draw_plots = load_illustrate(self._trial)
            if draw_plots is not None:
                draw_plots(folder)
        except Exception as error:  # noqa: BLE001 - of a trial's own code; the files are worth keeping
            return f"draw_plots: {lines(error)[0]}"
        return ""
