"""Sections that the trial's own module adds. An error there affects only these sections."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from tuner.errors import lines
from tuner.journal.record import TrialRecord
from tuner.report.elements import Figure, Section, Table
from tuner.report.sections.finalists import FinalistsData
from tuner.report.sections.result import winner
from tuner.results.study_folder import StudyFolder
from tuner.storage.storage import Storage
from tuner.strict import Strict
from tuner.trial_module import TrialModule

_WORD = re.compile(r"[a-z0-9]+")
FAILED = "This section could not be created"


class _Table(Strict):
    columns: list[str]
    rows: list[list[Any]]
    caption: str = ""


class _Figure(Strict):
    title: str
    reading: str
    x: str
    y: str
    points: int
    draw: Callable[..., Any]
    height: float = 3.6
    narrow: bool = False


class _Section(Strict):
    title: str
    text: list[str] = Field(default_factory=list)
    numbers: Any = None
    tables: list[_Table] = Field(default_factory=list)
    figures: list[_Figure] = Field(default_factory=list)


@contextmanager
def sections(search: StudyFolder, race: FinalistsData | None) -> Iterator[list[Section]]:
    """Yield the sections of the trial's `report_sections`; render them inside, while checkpoints exist.

    Yields:
        No section without such a hook; one section with the error if the hook fails.
    """
    with ExitStack() as stack:
        try:
            function = TrialModule(search.study.trial).report_sections
            trials = [] if function is None else _describe_trials(search, race, stack)
            returned = [] if function is None else list(function(search.study.to_dict(), trials))
            found = [_section(_Section.model_validate(each)) for each in returned]
            _refuse_doubled([each.key for each in found])
        except Exception as error:  # noqa: BLE001 - from the trial's module
            print(f"warning: report: `sections` of {search.study.trial}: {lines(error)[0]}", file=sys.stderr)
            found = [failed(Section("trial", "From the trial's own module"), error)]
        yield found


def failed(section: Section, error: Exception) -> Section:
    """Return the section that replaces one that could not be created."""
    return Section(section.key, section.title, [f"{FAILED}: {lines(error)[0]}"], {"error": lines(error)[0]})


def roles(search: StudyFolder, race: FinalistsData | None) -> dict[int, str]:
    """Return trial -> winner, baseline (the default) or finalist; the first of several roles."""
    best, found = winner(search, race), dict[int, str]()
    if race is not None:
        found |= {row.number: "finalist" for row in race.race.candidates}
    if search.baseline is not None:
        found[search.baseline.number] = "baseline"
    return found if best is None else found | {best.number: "winner"}


def _describe_trials(
    search: StudyFolder, race: FinalistsData | None, stack: ExitStack
) -> list[dict[str, Any]]:
    """Return every trial as the hook gets it; trials with a role have their last checkpoint."""
    storage = Storage(search.study.storage or str(search.folder.resolve()), patience_s=0.0)
    known = roles(search, race)
    return [
        {
            "number": trial.number, "role": known.get(trial.number, ""), "state": trial.state.value,
            "config": search.study.config(trial.params), "metrics": dict(trial.metrics),
            "folder": _folder(storage, trial, stack) if trial.number in known else None,
        }
        for trial in search.trials
    ]  # fmt: skip


def _folder(storage: Storage, trial: TrialRecord, stack: ExitStack) -> Path | None:
    if trial.checkpoint is None:
        return None
    try:
        return stack.enter_context(storage.fetched(trial.checkpoint))
    except OSError:  # just replaced by a running search, or removed to free the disk
        return None


def _section(given: _Section) -> Section:
    tables = [Table(each.columns, each.rows, each.caption) for each in given.tables]
    figures = [Figure(**dict(each)) for each in given.figures]
    key = f"trial-{'-'.join(_WORD.findall(given.title.lower()))}"
    return Section(key, given.title, given.text, given.numbers, tables, figures)


def _refuse_doubled(keys: list[str]) -> None:
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"titles of sections must differ in their words, got {key} twice; rename one")
