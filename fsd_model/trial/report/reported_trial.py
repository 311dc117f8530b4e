"""A trial as the report shows it: configuration, last metrics and, for a few, dev scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsd_model.scores.score_file import Scores, read_scores
from fsd_model.training.config import TrainConfig
from fsd_model.trial.artifacts import SCORES_FILE

SCORES_PLACE = Path("artifacts", SCORES_FILE)

Section = dict[str, Any]


@dataclass(frozen=True)
class ReportedTrial:
    """One trial of the report.

    Attributes:
        number: number in the search.
        role: "winner", "baseline", "finalist" or "".
        default: true for the study's default.
        complete: true if it ran to its end.
        config: its settings.
        metrics: its last report.
        scores: dev scores at its best epoch; None if it has no role or saved none.
    """

    number: int
    role: str
    default: bool
    complete: bool
    config: TrainConfig
    metrics: Mapping[str, float]
    scores: Scores | None

    @property
    def name(self) -> str:
        """Name for a legend."""
        also = ", the default" if self.default and self.role != "baseline" else ""
        return f"{self.role or 'trial'}{also} ({self.number})"


def read_trials(study: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> list[ReportedTrial]:
    """Read the trials of a report; arguments as for `fsd_model.trial.report.sections.report_sections`.

    Raises:
        pydantic.ValidationError, InputError: settings or scores that cannot be read.
    """
    return [
        ReportedTrial(
            trial["number"], trial["role"], trial["number"] == 0 and "default" in study,
            trial["state"] == "complete",
            TrainConfig.model_validate(trial["config"]), trial["metrics"], _scores(trial["folder"]),
        )
        for trial in trials
    ]  # fmt: skip


def _scores(folder: Path | None) -> Scores | None:
    path = None if folder is None else folder / SCORES_PLACE
    return read_scores(path) if path is not None and path.is_file() else None
