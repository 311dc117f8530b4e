"""Section: importance of the settings, and each setting against the metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from tuner.journal.record import State, TrialRecord
from tuner.report.elements import Figure, Section, Table, counted, setting_text
from tuner.results.importance import CHANCE, LEAST, Example, Importance, importances
from tuner.results.study_folder import StudyFolder

WEAK = 20  # trials
_SHORT = 24  # characters of a name that leave room for its bar
_MANY = 8  # choices whose names would not stand side by side


def all_importances(search: StudyFolder, rungs: Sequence[int]) -> dict[str, tuple[int, list[Importance]]]:
    """Compute importance among the complete trials, and among all trials that reached the first rung.

    Complete trials are few and selected; at the first rung no trial has been stopped, but it is early.

    Returns:
        Compared trials -> their number, and the importance of each setting.
    """
    if search.study.scheduler.name in ("pbt", "pb2"):  # a trial has several configurations there
        return {}
    unit, full = search.study.report_unit, search.study.max_reports
    complete = [t for t in search.trials if t.state is State.COMPLETE and math.isfinite(t.value)]
    found = {f"complete trials, at {unit} {full}": [(t.params, t.value) for t in complete]}
    if rungs and len(search.trials) > len(complete):
        rung = rungs[0]
        early: list[Example] = [(t.params, t.values.get(rung, math.nan)) for t in search.trials]
        found[f"all trials, at {unit} {rung}"] = [each for each in early if math.isfinite(each[1])]
    return {name: (len(rows), importances(search.study, rows)) for name, rows in found.items()}


def section(
    search: StudyFolder, found: dict[str, tuple[int, list[Importance]]], best: TrialRecord | None
) -> Section:
    """Return importance and slices.

    Args:
        search: the search.
        found: from `all_importances`.
        best: the best trial, or None.
    """
    text, tables, figures = [], [], []
    for name, (count, rows) in found.items():
        if not rows:
            text.append(
                f"Importance among {name}: not computed; needs {LEAST} trials with different results, got"
                f" {count}."
            )
            continue
        weak = f" Weak evidence: only {counted(count, 'trial')}." if count < WEAK else ""
        sure = [row.path for row in rows if row.shown]
        said = (
            f"the effect of {', '.join(sure)} is larger than chance"
            if sure
            else "no setting has an effect that can be told from chance"
        )
        text.append(f"Among {name} ({count}): {said}.{weak}")
        figures.append(_bars(name, count, rows))
        tables.append(_table(name, rows))
    if not found:
        text.append(
            "Importance is not computed: trials of a population change their settings during training."
        )
    if figures:
        text.append(
            "A small share does not prove that a setting has no effect: a sampler that prefers one value"
            " hardly varies it."
        )
    numbers = {
        "importance": {
            name: {"trials": count, "settings": [asdict(row) for row in rows]}
            for name, (count, rows) in found.items()
        },
    }
    figures += [slice_of(search, path, best) for path in search.study.search if not _is_cuts(search, path)]
    return Section("importance", "Importance of the settings", text, numbers, tables, figures)


def _table(name: str, rows: Sequence[Importance]) -> Table:
    body = [[row.path, row.share, [row.low, row.high], row.chance, row.shown] for row in rows]
    caption = (
        f"Among {name}. Share: contribution to what separates the best quarter of the trials from the rest"
        " (PED-ANOVA). Interval: by leaving out a quarter of the trials (jackknife). p-value: how often"
        f" randomly permuted values give a share as large; below {CHANCE:g} the effect counts as significant."
    )
    return Table(["setting", "share", "90 % interval", "p-value", "significant"], body, caption)


def _bars(name: str, count: int, rows: Sequence[Importance]) -> Figure:
    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows):
            alpha = 0.9 if row.shown else 0.3
            axes.barh([place], [row.share], color="C0", alpha=alpha, height=0.6)
            axes.plot([row.low, row.high], [place, place], color=axes.xaxis.label.get_color(), lw=1.2)
        axes.set_yticks(range(len(rows)), [row.path for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)

    return Figure(
        f"Importance among {name}",
        "A bar is the share of a setting in what separates the best quarter of the trials from the rest, its"
        " line the 90 % interval. Pale bars cannot be told from chance.",
        "share of importance (fraction)", "setting", len(rows) if count >= LEAST else 0, draw,
        height=1.1 + 0.36 * len(rows), narrow=max(len(row.path) for row in rows) <= _SHORT,
    )  # fmt: skip


def slice_of(search: StudyFolder, path: str, best: TrialRecord | None) -> Figure:
    """Return a figure of one setting against the metric, a mark per trial."""
    name, dimension = search.study.metric.name, search.study.search[path].to_dict()
    kind = next(key for key in dimension if key != "when")
    shown = [t for t in search.trials if path in t.params and math.isfinite(t.value)]
    ticks = [setting_text(value) for value in dimension[kind]] if kind == "choice" else []

    def draw(axes: Axes) -> None:
        place = partial(_place, list(dimension[kind]) if ticks else None)
        _scatter(axes, best, shown, [place(trial, path) for trial in shown])
        if kind == "log":
            axes.set_xscale("log")
        if ticks:
            long = sum(map(len, ticks)) > 30 or len(ticks) > _MANY
            axes.set_xticks(
                range(len(ticks)), ticks, rotation=30 if long else 0, ha="right" if long else "center"
            )
            axes.set_xlim(-0.6, len(ticks) - 0.4)

    return Figure(
        f"{name} by {path}",
        "Large dots are complete trials, crosses stopped ones, small dots all others, at their last report;"
        " the ring is the best trial.",
        f"{path}{' (logarithmic)' if kind == 'log' else ''}", name, len(shown), draw, 3.1, narrow=True,
    )  # fmt: skip


def _scatter(
    axes: Axes, best: TrialRecord | None, trials: Sequence[TrialRecord], places: Sequence[float]
) -> None:
    for mark, state in (("o", State.COMPLETE), ("x", State.STOPPED), (".", None)):
        rows = [
            (x, t.value) for x, t in zip(places, trials, strict=True)
            if t.state is state or (state is None and t.state not in (State.COMPLETE, State.STOPPED))
        ]  # fmt: skip
        if rows:
            axes.plot(*zip(*rows, strict=True), mark, color="C0" if mark == "o" else "C4", alpha=0.8, ls="")
    own = [(x, t.value) for x, t in zip(places, trials, strict=True) if t is best]
    axes.plot(*zip(*own, strict=True), "o", mfc="none", mec="C1", ms=11, mew=1.6) if own else None


def _place(choices: list[Any] | None, trial: TrialRecord, path: str) -> float:
    """Return the x position of a trial; trials with the same choice are spread out."""
    value = trial.params[path]
    if choices is None:
        return float(value)
    spread = ((trial.number * 0.618) % 1 - 0.5) * 0.5  # golden ratio: evenly spread and reproducible
    return choices.index(value) + spread


def _is_cuts(search: StudyFolder, path: str) -> bool:
    return "cuts" in search.study.search[path].to_dict()
