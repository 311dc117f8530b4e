"""Suggestions for the search space: ranges to widen, settings without a visible effect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tuner.report.elements import cell, setting_text
from tuner.report.sections.finalists import FinalistsData
from tuner.report.sections.importance import WEAK
from tuner.report.sections.result import winner
from tuner.results.importance import Importance
from tuner.results.study_folder import StudyFolder

_EDGE = 0.05  # fraction of a range
_NO_EFFECT = 0.05  # share of importance
_SETTLED = 0.75  # fraction of the trials, or of a range


@dataclass(frozen=True)
class Advice:
    """One suggestion.

    Attributes:
        do: what to do.
        why: the numbers behind it.
    """

    do: str
    why: str


def edges(search: StudyFolder, race: FinalistsData | None) -> Iterator[Advice]:
    """Suggest a wider range where the best value lies at its end."""
    best = winner(search, race)
    for path, value in best.params.items() if best is not None else ():
        dimension = search.study.search[path].to_dict()
        kind = next(key for key in dimension if key != "when")
        if kind == "cuts":
            most, positions = dimension["cuts"]["count"][1], dimension["cuts"]["positions"]
            if len(value) == most < positions:
                yield Advice(
                    f"allow more than {most} cuts in `{path}`",
                    f"the best has {cell(value)}, the maximum",
                )
        elif kind != "choice" and not (kind == "int" and dimension[kind][1] - dimension[kind][0] < 4):
            low, high = dimension[kind]
            share = _share(kind, float(value), float(low), float(high))
            if not _EDGE < share < 1 - _EDGE:
                end = "below" if share <= _EDGE else "above"
                yield Advice(
                    f"widen `{path}` {end} {cell(low if end == 'below' else high)}",
                    f"the best has {cell(value)}, within {_EDGE:.0%} of that end of {cell([low, high])}",
                )


def no_effect(
    search: StudyFolder, race: FinalistsData | None, importances: Mapping[str, tuple[int, list[Importance]]]
) -> Iterator[Advice]:
    """Suggest to fix a setting that has no visible effect, if enough trials tried it widely."""
    best = winner(search, race)
    enough = {name: rows for name, (count, rows) in importances.items() if count >= WEAK and rows}
    if best is None or not enough:
        return
    for path, value in best.params.items():
        own = {name: next(row for row in rows if row.path == path) for name, rows in enough.items()}
        if all(not row.shown and row.high < _NO_EFFECT for row in own.values()) and _spread(search, path):
            shares = "; ".join(f"at most {row.high:.3f} among {name}" for name, row in own.items())
            yield Advice(
                f"fix `{path}` at {setting_text(value)} in `settings`",
                "it was tried widely, and its share of importance is small (upper end of the 90 % interval):"
                f" {shares}",
            )


def _spread(search: StudyFolder, path: str) -> bool:
    """Return whether trials tried several values: their middle half covers a quarter of the range."""
    dimension = search.study.search[path].to_dict()
    kind = next(key for key in dimension if key != "when")
    values = [trial.params[path] for trial in search.trials if path in trial.params]
    if kind in ("choice", "cuts"):
        return max(map(values.count, values)) < _SETTLED * len(values)
    low, high = map(float, dimension[kind])
    places = sorted(_share(kind, float(value), low, high) for value in values)
    quarter = len(places) // 4
    return places[-1 - quarter] - places[quarter] > 1 - _SETTLED


def _share(kind: str, value: float, low: float, high: float) -> float:
    if kind == "log":
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)
