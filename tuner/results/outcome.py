"""Results of a stage: search, finalists or ablation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.controller.budget import Spent
from tuner.journal.record import StudyRecord, TrialRecord
from tuner.results.data_frame import trials_data_frame
from tuner.storage.storage import Storage
from tuner.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from tuner.results.seed_race import SeedVerdict


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        trials: every trial that was started, by number.
        best: the winner, or None where no trial is complete.
        exported: best.yaml and the winner's files; empty without a winner.
        signal: the signal that ended it early, or 0.
        halted: why it ended before all trials had run, or "".
        diagnostics: what the scheduler measured.
        finals: verdict of the finalists over fresh seeds; None where they did not run.
        undecided: why the finalists of the study did not decide, or "".
        spent: hours of all sessions and stages.
    """

    trials: list[TrialRecord]
    best: TrialRecord | None
    exported: list[Path]
    signal: int
    halted: str = ""
    diagnostics: list[Mapping[str, Any]] = field(default_factory=list)
    finals: SeedVerdict | None = None
    undecided: str = ""
    spent: Spent = field(default_factory=Spent)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per trial; see `tuner.results.data_frame`."""
        return trials_data_frame(self.trials)


@dataclass(frozen=True)
class StageRun:
    """A stage whose trials have run, before its end is recorded: the input of a `StageFinisher`.

    Attributes:
        study: what was run.
        record: every trial.
        storage: holds the checkpoints.
        out: the folder, absolute.
        resumed: whether an earlier session may have written there.
        spent: hours of all sessions.
        halted: why it ended before all trials had run, or "".
        budget_over: whether the budget is why.
    """

    study: Study
    record: StudyRecord
    storage: Storage
    out: Path
    resumed: bool
    spent: Spent = field(default_factory=Spent)
    halted: str = ""
    budget_over: bool = False


@dataclass(frozen=True)
class PreviousStage:
    """The stage of a search that another stage follows.

    Attributes:
        out: its folder, absolute.
        search: its id.
        spent: hours that it took.
    """

    out: Path
    search: str
    spent: Spent


@dataclass(frozen=True)
class StageResult:
    """The result of a stage.

    Attributes:
        files: the written files, absolute.
        figures: metrics for MLflow; values that are not finite are left out there.
        tags: tags for MLflow.
    """

    files: list[Path] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


StageFinisher = Callable[[StageRun], StageResult]
