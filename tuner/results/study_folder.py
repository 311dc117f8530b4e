"""The one reader of a study folder, while the search runs, after it ended or after it was killed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from tuner.controller.budget import Spending, Spent
from tuner.errors import StudyError, lines
from tuner.journal.event import SESSIONS, Event, EventKind
from tuner.journal.journal import NAME, read_events
from tuner.journal.record import State, StudyRecord, TrialRecord
from tuner.results.data_frame import trials_data_frame
from tuner.results.selection import ranked
from tuner.storage.storage import Storage
from tuner.study.load import load_study
from tuner.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

RUNNING, KILLED = "running", "broken off"


@dataclass(frozen=True)
class StudyFolder:
    """The content of a study folder; reading it takes no lock and writes nothing.

    Attributes:
        folder: the output folder of a search.
        study: the study, with the number of trials of the last session.
        events: the journal.
        record: the trials.
        state: "running"; "broken off" (nobody holds the folder, and no end was written); or the state that
            the search ended with.
        reason: why it ended early, or "".
    """

    folder: Path
    study: Study
    events: Sequence[Event]
    record: StudyRecord
    state: str
    reason: str

    @cached_property
    def trials(self) -> list[TrialRecord]:
        """Every trial that was started, by number."""
        return self.record.ordered

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """The complete, feasible trials, best first."""
        return ranked(self.trials, self.study.metric, self.study.constraints)

    @property
    def best(self) -> TrialRecord | None:
        """The best trial by its one run, or None where no trial is complete."""
        return self.ranked[0] if self.ranked else None

    @property
    def baseline(self) -> TrialRecord | None:
        """The trial of the study's default, or None."""
        return self.record.trials.get(0) if self.study.default is not None else None

    @cached_property
    def storage(self) -> Storage:
        """The checkpoints of the trials."""
        return Storage(self.study.storage or str(self.folder.resolve()))

    @cached_property
    def spent(self) -> Spent:
        """GPU and wall hours of all sessions, up to the last event."""
        spending = Spending(self.study, clock=lambda: 0.0)
        spending.recall(self.events)
        return spending.spent()

    @cached_property
    def clock(self) -> list[float]:
        """Seconds of search up to each event, without the time between sessions."""
        total, before, seconds = 0.0, 0.0, []
        for event in self.events:
            total += 0.0 if event.kind in SESSIONS else max(0.0, event.time - before)
            before = event.time
            seconds.append(total)
        return seconds

    def trial(self, number: int) -> TrialRecord:
        """Return the trial of this number."""
        return self.record.trials[number]

    def improved(self, value: float, best: float | None) -> bool:
        """Return whether a value is better than the best so far."""
        return best is None or self.study.metric.better(value, best)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per trial; see `tuner.results.data_frame`."""
        return trials_data_frame(self.trials)


def read_study_folder(folder: str | Path, kind: str = "search") -> StudyFolder:
    """Read the journal of a study folder.

    Args:
        folder: of a search, of its finalists or of an ablation.
        kind: which of them, for the error.
    Raises:
        StudyError: no journal there, an empty or a damaged one.
    """
    folder = Path(folder)
    path = folder / NAME
    if not path.is_file():
        raise StudyError(f"{folder}: holds no {kind}, there is no {NAME}; give the --out folder of a search")
    events = list(read_events(path))
    if not events:
        raise StudyError(f"{path}: has no event yet; wait for the {kind} to begin")
    study = _study(path, events)
    record = StudyRecord(study.metric.name)
    for number, event in enumerate(events, start=1):
        try:
            record.apply(event)
        except (KeyError, ValueError, TypeError) as error:
            raise StudyError(f"{path}:{number}: contradicts the lines before it; restore the file") from error
    return StudyFolder(folder, study, events, record, *_state(folder, events))


def _study(path: Path, events: Sequence[Event]) -> Study:
    if events[0].kind is not EventKind.STUDY_STARTED:
        raise StudyError(f"{path}:1: does not begin with the start of a study; restore the file")
    resumed = [event["trials"] for event in events if event.kind is EventKind.STUDY_RESUMED]
    try:
        study = Study.model_validate(events[0]["study"])
    except ValidationError as error:
        raise StudyError(
            f"{path}:1: its study cannot be read: {lines(error)[0]}; restore the file"
        ) from error
    return study.model_copy(update={**_changed(path.parent), **({"trials": resumed[-1]} if resumed else {})})


def _changed(folder: Path) -> dict[str, Any]:
    """Return what a resume may have changed, as far as the folder's study.yaml can be read."""
    try:
        now = load_study(str(folder / "study.yaml"))
    except StudyError:
        return {}
    return {"budget": now.budget, "finalists": now.finalists}


def _state(folder: Path, events: Sequence[Event]) -> tuple[str, str]:
    last = events[-1]
    if last.kind is EventKind.STUDY_ENDED:
        return str(last["state"]), str(last["reason"])
    return (RUNNING, "") if _locked(folder / ".lock") else (KILLED, "its process ended without a word")


def _locked(lock: Path) -> bool:
    """Return whether a search holds the folder, as seen from this machine.

    The lock is tried and given back at once; the file is there already, so nothing is written.
    """
    if not lock.exists():
        return False
    try:
        with FileLock(lock).acquire(blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # somebody else's folder: nothing is known
        return False


def ended(trials: Sequence[TrialRecord], state: State) -> list[TrialRecord]:
    """Return the trials in this state."""
    return [trial for trial in trials if trial.state is state]
