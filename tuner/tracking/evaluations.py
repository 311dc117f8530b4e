"""An opening of the evaluation split noted in a study's MLflow experiment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.study.load import load_study


def note_opening(folder: Path, opening: Mapping[str, Any]) -> None:
    """Add a run of kind `opening` to the experiment of the study in `folder`, if there is one.

    Args:
        folder: where the opening was recorded.
        opening: when, which detector, what data.
    Raises:
        StudyError: the study's store holds no such experiment.
    """
    if not (folder / "study.yaml").is_file():
        return
    from tuner.tracking.tracking import note

    note(folder, load_study(str(folder / "study.yaml")).name, "opening", opening)
