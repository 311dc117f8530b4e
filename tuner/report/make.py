"""Study folder -> report: reads the stages, collects the sections, writes HTML and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import StudyError
from tuner.files import write_text
from tuner.finalists.finalists import FOLDER as FINALISTS
from tuner.journal.journal import NAME
from tuner.report.elements import Section, json_values
from tuner.report.page import RenderedSection, render_page, render_section
from tuner.report.sections import (
    ablation,
    advice,
    cost,
    cuts,
    failures,
    finalists,
    importance,
    pareto,
    progress,
    result,
    rungs,
    space,
    trial_sections,
)
from tuner.results.study_folder import StudyFolder, read_study_folder

NAMES = ("report.html", "report.json")
FORMAT = 2  # 2: the keys are the names of the sections


@dataclass(frozen=True)
class Report:
    """A report in memory.

    Attributes:
        html: the page.
        numbers: content of the JSON file, by section.
    """

    html: str
    numbers: dict[str, Any]


def write_report(folder: Path, out: Path | None = None) -> tuple[Path, Path]:
    """Write the report on a search, which may be running; each file is replaced as a whole.

    Args:
        folder: study folder.
        out: HTML file; None for `report.html` in the folder. The JSON file lies beside it.
    Returns:
        Paths of the HTML and the JSON file.
    Raises:
        StudyError: no search in the folder, a damaged journal, an unsuitable `out`.
        OSError: a file cannot be written.
    """
    html = out or folder / NAMES[0]
    if html.suffix not in (".html", ".htm"):
        raise StudyError(f"--out {html}: must end with .html; the JSON gets the same name with .json")
    if not html.parent.is_dir():
        raise StudyError(f"--out {html}: there is no folder {html.parent}; create it first")
    numbers = html.with_suffix(".json")
    report = make_report(folder, numbers.name)
    write_text(numbers, json.dumps(report.numbers, indent=2, allow_nan=False) + "\n")
    write_text(html, report.html)
    return html, numbers


def make_report(folder: Path, json_name: str = NAMES[1]) -> Report:
    """Return the report on a search; arguments and errors as `write_report`."""
    search = read_study_folder(folder)
    race = _race(search)
    rendered = [render_section(section) for section in search_sections(search, race)]
    index = [section.key for section in rendered].index("ablation")
    # draw inside the context: figures of the trial's module may read its checkpoints
    with trial_sections.sections(search, race) as added:
        rendered[index:index] = [_render_added(section) for section in added]
    content = {"format": FORMAT, **{section.key: section.numbers for section in rendered}}
    return Report(render_page(rendered[0].numbers, rendered, json_name), json_values(content))


def search_sections(search: StudyFolder, race: finalists.FinalistsData | None) -> Iterator[Section]:
    """Yield the sections of every search, in order; the first is the result, the last the advice."""
    rung_rows = rungs.measured(search)
    rung_reports = [row["rung"] for row in rung_rows]
    best = result.winner(search, race)
    importances = importance.all_importances(search, rung_reports)
    sections = [
        result.section(search, race),
        space.section(search, race),
        progress.section(search, race, rung_reports),
        importance.section(search, importances, best),
        cuts.section(search, best),
        finalists.section(search, race),
        ablation.section(_later_stage(search.folder / ablation.FOLDER, "ablation")),
        pareto.section(search),
        rungs.section(search, rung_rows),
        failures.section(search),
        cost.section(search, race),
        advice.section(search, race, importances, rung_rows),
    ]
    yield from (section for section in sections if section is not None)


def _race(search: StudyFolder) -> finalists.FinalistsData | None:
    runs = _later_stage(search.folder / FINALISTS, "finalists")
    return None if runs is None else finalists.read_finalists(search, runs)


def _later_stage(folder: Path, kind: str) -> StudyFolder | None:
    """Read the journal of a later stage; None if it has not begun."""
    path = folder / NAME
    begun = path.is_file() and b"\n" in path.read_bytes()
    return read_study_folder(folder, kind) if begun else None


def _render_added(section: Section) -> RenderedSection:
    """Render a section of the trial's module; an error there affects only this section."""
    try:
        json.dumps(json_values(section.numbers), allow_nan=False)
        return render_section(section)
    except Exception as error:  # noqa: BLE001 - from the trial's module
        return render_section(trial_sections.failed(section, error))
