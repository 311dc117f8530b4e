"""Section: what to search next, from rules over the numbers of the report, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.report.elements import Section, Table
from tuner.report.sections.advice_runs import failing, noise, rung_advice, unfinished
from tuner.report.sections.advice_space import edges, no_effect
from tuner.report.sections.finalists import FinalistsData
from tuner.report.sections.rungs import Rows
from tuner.results.importance import Importance
from tuner.results.study_folder import StudyFolder


def section(
    search: StudyFolder,
    race: FinalistsData | None,
    importances: Mapping[str, tuple[int, list[Importance]]],
    rungs: Rows,
) -> Section:
    """Return all suggestions that apply."""
    suggestions = [
        *edges(search, race), *no_effect(search, race, importances), *noise(search, race),
        *rung_advice(search, rungs), *failing(search), *unfinished(search),
    ]  # fmt: skip
    text = (
        ["From rules over the numbers above; none of the suggestions has been tried."]
        if suggestions
        else ["No suggestions."]
    )
    tables = (
        [Table(["suggestion", "because"], [[each.do, each.why] for each in suggestions])]
        if suggestions
        else []
    )
    numbers = [{"do": each.do, "why": each.why} for each in suggestions]
    return Section("advice", "What to search next", text, numbers, tables)
