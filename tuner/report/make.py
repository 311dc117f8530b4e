"""From the folder of a search to its report: where the sections meet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import StudyError
from tuner.files import write_text
from tuner.finalists import finalists
from tuner.journal.journal import NAME
from tuner.report.elements import Section, plain
from tuner.report.page import Drawn, drawn, page
from tuner.report.search_data import Searched, read_search
from tuner.report.sections import ablation as controls
from tuner.report.sections import advice, cost, failures, progress, rungs
from tuner.report.sections import cuts as cut_places
from tuner.report.sections import finalists as finals
from tuner.report.sections import importance as matters
from tuner.report.sections import pareto as front
from tuner.report.sections import result as headline
from tuner.report.sections import space as scope
from tuner.report.sections import trial_sections as companion

NAMES = ("report.html", "report.json")
FORMAT = 1


@dataclass(frozen=True)
class Report:
    """A report that is in memory.

    Attributes:
        html: the page.
        numbers: the JSON's content, by section.
    """

    html: str
    numbers: dict[str, Any]


def write_report(folder: Path, out: Path | None = None) -> tuple[Path, Path]:
    """Write the report on the search in a folder; both files are there whole or not at all.

    Args:
        folder: of a search, at any moment.
        out: the HTML file; None: `report.html` in the folder. The JSON lies beside it.
    Returns:
        The HTML and the JSON file.
    Raises:
        StudyError: no search there, a damaged journal, an unsuitable `out`.
        OSError: it cannot be written.
    """
    html = out or folder / NAMES[0]
    if html.suffix not in (".html", ".htm"):
        raise StudyError(f"--out {html}: must end with .html; the JSON gets the same name with .json")
    if not html.parent.is_dir():
        raise StudyError(f"--out {html}: there is no folder {html.parent}; make it first")
    numbers = html.with_suffix(".json")
    made = make_report(folder, numbers.name)
    write_text(numbers, json.dumps(made.numbers, indent=2, allow_nan=False) + "\n")
    write_text(html, made.html)
    return html, numbers


def make_report(folder: Path, json_name: str = NAMES[1]) -> Report:
    """The report on the search in a folder; arguments and errors as for `write_report`."""
    search = read_search(folder)
    race = _race(search)
    parts = [drawn(section) for section in own_sections(search, race)]
    place = [part.key for part in parts].index("controls")
    with companion.sections(search, race) as added:
        parts[place:place] = [_drawn(section) for section in added]
    content = {"format": FORMAT, **{part.key: part.numbers for part in parts}}
    return Report(page(parts[0].numbers, parts, json_name), plain(content))


def own_sections(search: Searched, race: finals.FinalistsData | None) -> Iterator[Section]:
    """The sections that every search has, in their order; the first is the result, the last the advice."""
    findings = rungs.measured(search)
    places = [row["rung"] for row in findings]
    best = headline.winner(search, race)
    found = matters.found_importances(search, places)
    given = [
        headline.section(search, race),
        scope.section(search, race),
        progress.section(search, race, places),
        matters.section(search, found, best),
        cut_places.section(search, best),
        finals.section(search, race),
        controls.section(_below(search.folder / controls.FOLDER, "ablation")),
        front.section(search),
        rungs.section(search, findings),
        failures.section(search),
        cost.section(search, race),
        advice.section(search, race, found, findings),
    ]
    yield from (section for section in given if section is not None)


def _race(search: Searched) -> finals.FinalistsData | None:
    runs = _below(search.folder / finalists.FOLDER, "finals")
    return None if runs is None else finals.race_of(search, runs)


def _below(folder: Path, kind: str) -> Searched | None:
    """A later stage's journal; None where it has not begun."""
    path = folder / NAME
    begun = path.is_file() and b"\n" in path.read_bytes()
    return read_search(folder, kind) if begun else None


def _drawn(section: Section) -> Drawn:
    """As `drawn`; a companion's faulty figure costs its section."""
    try:
        json.dumps(plain(section.numbers), allow_nan=False)
        return drawn(section)
    except Exception as error:  # noqa: BLE001 - somebody else's function
        return drawn(companion.failed(section, error))
