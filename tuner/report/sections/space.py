"""Section: what was searched, and what was fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.report.elements import Section, Table, cell, counted, setting_text
from tuner.report.sections.finalists import FinalistsData
from tuner.report.sections.result import winner
from tuner.results.study_folder import StudyFolder

_SHOWN = 80  # characters of a fixed setting


def section(search: StudyFolder, race: FinalistsData | None) -> Section:
    """Return the search space, how it was searched, and the fixed settings."""
    study, best = search.study, winner(search, race)
    rows = [_row(search, path, {} if best is None else best.params) for path in study.search]
    columns = ["setting", "kind", "range", "only when", "tried", "default", "best"]
    fixed = [[path, _short(value)] for path, value in _leaves(study.settings) if path not in study.search]
    numbers = {
        "space": {path: dimension.to_dict() for path, dimension in study.search.items()},
        "settings": study.settings, "epochs": study.epochs, "reports": study.max_reports,
        "sampler": study.sampler.model_dump(), "scheduler": study.scheduler.model_dump(),
        "constraints": [each.model_dump() for each in study.constraints],
        "objectives": [each.model_dump() for each in study.objectives],
        "learned_from": len((search.events[0]["memory"] or {}).get("earlier", ())),
    }  # fmt: skip
    tables = [Table(columns, rows)] if rows else []
    tables += [Table(["fixed setting", "value"], fixed)] if fixed else []
    return Section("space", "What was searched", _text(search), numbers, tables)


def _text(search: StudyFolder) -> list[str]:
    study = search.study
    name = study.scheduler.name
    stopped = (
        "no trial is stopped early"
        if name == "none"
        else f"trials are stopped early by the scheduler `{name}`"
    )
    said = [
        f"Configurations come from the sampler `{study.sampler.name}` (seed {study.sampler.seed}); {stopped}."
        f" A complete trial makes {counted(study.max_reports, 'report')}, one per {study.report_unit}."
    ]
    if name in ("pbt", "pb2"):
        said = [f"A population by `{name}`: trials change their settings during training."]
    earlier = len((search.events[0]["memory"] or {}).get("earlier", ()))
    if earlier:
        said.append(f"The sampler also knew {counted(earlier, 'trial')} of an earlier study.")
    said += [f"Constraint: {each.metric} at most {each.at_most:g}." for each in study.constraints]
    return said


def _row(search: StudyFolder, path: str, best: Mapping[str, Any]) -> list[Any]:
    dimension = search.study.search[path]
    written = dimension.to_dict()
    kind = next(key for key in written if key != "when")
    when = "; ".join(f"{other} is {cell(list(values))}" for other, values in dimension.when.items())
    tried = [trial.params[path] for trial in search.trials if path in trial.params]
    ends = [setting_text(of[path]) if path in of else None for of in (search.study.default or {}, best)]
    return [path, kind, _range(kind, written[kind]), when or None, _tried(kind, tried), *ends]


def _range(kind: str, given: Any) -> str:
    if kind == "cuts":
        low, high = given["count"]
        return f"{low} to {high} of {given['positions']} positions"
    return (
        ", ".join(map(setting_text, given)) if kind == "choice" else f"{cell(given[0])} to {cell(given[1])}"
    )


def _tried(kind: str, values: list[Any]) -> str | None:
    if not values:
        return None
    if kind in ("choice", "cuts"):
        return f"{len({repr(value) for value in values})} different"
    return f"{cell(min(values))} to {cell(max(values))}"


def _leaves(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _short(value: Any) -> str:
    text = setting_text(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
