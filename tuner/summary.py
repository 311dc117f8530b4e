"""The last lines of a search or a training, and the exit code they mean."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from tuner.definition import Study
from tuner.record import State, TrialRecord, shown
from tuner.study import Outcome
from tuner.train import Trained


def summary(study: Study, outcome: Outcome, out: Path) -> list[str]:
    """The final lines of a search.

    Args:
        study: what was searched.
        outcome: what came out.
        out: the study's folder.
    """
    rows = [("ended early", "by a signal; trials that were running are left out")] if outcome.signal else []
    if outcome.best is None:
        return [*_aligned(rows), _nothing(study, outcome, out)]
    metric = study.metric.name
    rows.append(
        (
            "best",
            f"trial {outcome.best.number}: {metric} {outcome.best.value:.6g}  [{shown(outcome.best.point)}]",
        )
    )
    rows += _default(study, outcome.best, outcome.trials)
    rows.append(("config", f"{outcome.exported[0]}  (again: fsd-tuner train {outcome.exported[0]})"))
    rows += [("exported", str(path)) for path in outcome.exported[1:]]
    tracked = os.environ.get("MLFLOW_TRACKING_URI")
    rows.append(("compare", f"MLflow at {tracked}" if tracked else f"fsd-tuner ui {out.resolve()}"))
    return _aligned(rows)


def exit_code(outcome: Outcome) -> int:
    """128 + the signal that ended the search, 1 without a winner, else 0."""
    return 128 + outcome.signal if outcome.signal else 0 if outcome.best else 1


def comparison(study: Study, trained: Trained) -> list[str]:
    """The final lines of a training: whether the metric is as recorded."""
    rows = [("exported", str(path)) for path in trained.exported]
    value = f"{study.metric.name} {trained.value!r}"
    if trained.recorded is None:
        return _aligned([("trained", f"{value}; the study file records no value to compare with"), *rows])
    if trained.same:
        return _aligned([("same", f"{value} equals the recorded value"), *rows])
    difference = trained.value - trained.recorded
    return _aligned(
        [("different", f"{value}, recorded {trained.recorded!r}, differs by {difference:+.6g}"), *rows]
    )


def _default(study: Study, best: TrialRecord, trials: list[TrialRecord]) -> list[tuple[str, str]]:
    if study.default is None:
        return []
    default = next(trial for trial in trials if trial.number == 0)
    if default.state is not State.COMPLETE:
        return [("default", f"trial 0 {default.state}: {default.reason}; nothing to compare with")]
    text = f"trial 0: {study.metric.name} {default.value:.6g}"
    if study.metric.better(best.value, default.value):
        better = f"the best is better by {abs(best.value - default.value):.6g}"
        return [("default", f"{text}; {better} in one run of each (with another seed: not shown)")]
    return [("default", f"{text}; no trial is better than the default")]


def _nothing(study: Study, outcome: Outcome, out: Path) -> str:
    counts = Counter(trial.state.value for trial in outcome.trials)
    states = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none was begun"
    reasons = [trial.reason for trial in outcome.trials if trial.state is State.FAILED]
    why = f"; the first failure: {reasons[0]}" if reasons else ""
    mend = "" if outcome.signal else "mend the trial or give more trials, and "
    way_out = f"see {out / 'journal.jsonl'}, {mend}search into a new folder"
    return f"no trial ran its {study.full} {study.unit}s, so there is no best.yaml ({states}){why}; {way_out}"


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    return [f"{title:<12}{text}" for title, text in rows]
