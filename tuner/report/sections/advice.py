"""What to search next: rules over the numbers of the report, each saying what made it speak."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.report.elements import Section, Table
from tuner.report.search_data import Searched
from tuner.report.sections.advice_runs import failing, noise, rung_advice, unfinished
from tuner.report.sections.advice_space import edges, no_effect
from tuner.report.sections.finalists import FinalistsData
from tuner.report.sections.rungs import Rows
from tuner.results.importance import Importance


def section(
    search: Searched,
    race: FinalistsData | None,
    found: Mapping[str, tuple[int, list[Importance]]],
    rungs: Rows,
) -> Section:
    """All suggestions that apply."""
    given = [
        *edges(search, race), *no_effect(search, race, found), *noise(search, race),
        *rung_advice(search, rungs), *failing(search), *unfinished(search),
    ]  # fmt: skip
    text = (
        ["Rules over the numbers above; none of them has been tried out."]
        if given
        else ["Nothing suggested."]
    )
    tables = [Table(["suggestion", "because"], [[each.do, each.why] for each in given])] if given else []
    numbers = [{"do": each.do, "why": each.why} for each in given]
    return Section("next", "What to search next", text, numbers, tables)
