"""The last lines of a search or a training, and the exit code they mean."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tuner.controller.budget import SPENT
from tuner.controller.retry import SAME_ERROR
from tuner.controller.tracebacks import last_error
from tuner.deploy.models import exit_lines
from tuner.finalists.tables import rows as finals
from tuner.forecast.run import forecast_seconds
from tuner.forecast.text import comparison_line
from tuner.journal.record import State, TrialRecord
from tuner.results.outcome import SearchResult
from tuner.results.pareto import front_lines
from tuner.schedulers.diagnostics import lines as measured
from tuner.study.study import Study
from tuner.text import HOUR_S, params_text
from tuner.tracking.address import tracking_uri, without_password
from tuner.workflows.train import Trained


def summary(study: Study, outcome: SearchResult, out: Path) -> list[str]:
    """Return the final lines of a search.

    Args:
        study: the study.
        outcome: the result.
        out: the study folder.
    """
    rows, trace = [*_ended_early(outcome), *_spent(study, outcome), *_lost(outcome)], _traceback(outcome, out)
    if outcome.best is None:
        return [*trace, *_aligned(rows), _nothing(study, outcome, out)]
    trials = {trial.number: trial for trial in outcome.trials}
    rows += (
        _best(study, outcome.best) if outcome.finals is None else finals(outcome.finals, trials, study.metric)
    )
    if outcome.undecided:
        rows.append(("finalists", f"{outcome.undecided}; the best above is the search's own, by one run"))
    rows += front_lines(study, outcome.trials)
    rows += exit_lines(study, outcome.trials, out)
    rows += measured(outcome.diagnostics, study.report_unit)
    rows += _default(study, outcome.best, outcome.trials, raced=outcome.finals is not None)
    rows += _forecast(outcome, out)
    rows.append(("config", f"{outcome.exported[0]}  (again: fsd-tuner train {outcome.exported[0]})"))
    rows += [("exported", str(path)) for path in outcome.exported[1:]]
    tracked = without_password(tracking_uri() or "")
    rows.append(("report", f"fsd-tuner report {out}"))
    rows.append(("compare", f"MLflow at {tracked}" if tracked else f"fsd-tuner ui {out.resolve()}"))
    return [*trace, *_aligned(rows)]


def _ended_early(outcome: SearchResult) -> list[tuple[str, str]]:
    if not outcome.halted and not outcome.signal:
        return []
    why = "by a signal" if outcome.signal else outcome.halted
    text = f"{why}; running trials are left out, {_way_to_resume(outcome)} continues them"
    return [("ended early", text)]


def _way_to_resume(outcome: SearchResult) -> str:
    return "--resume with a larger budget" if outcome.halted.startswith(SPENT) else "--resume"


def _spent(study: Study, outcome: SearchResult) -> list[tuple[str, str]]:
    spent = outcome.spent.of(study.budget)
    return [("spent", spent)] if spent else []


def _lost(outcome: SearchResult) -> list[tuple[str, str]]:
    """Return the cost of failures: attempts by cause, and failed trials."""
    lost = sum((trial.retries for trial in outcome.trials), Counter[str]())
    failed = sum(trial.state is State.FAILED for trial in outcome.trials)
    causes = ", ".join(f"{count} {cause}" for cause, count in sorted(lost.items()))
    rows = [("retried", f"{lost.total()} lost attempts ({causes})")] if lost else []
    return rows + ([("failed", f"{failed} of {len(outcome.trials)} trials")] if failed else [])


def _traceback(outcome: SearchResult, out: Path) -> list[str]:
    """Return the traceback of the error that ended the search, once for all trials that it hit."""
    failed = [trial for trial in outcome.trials if trial.state is State.FAILED and trial.reason]
    one = next((trial for trial in failed if outcome.halted.endswith(trial.reason)), None)
    return last_error(out / "errors", one.number).splitlines() if one else []


def _forecast(outcome: SearchResult, out: Path) -> list[tuple[str, str]]:
    said = forecast_seconds(out)
    if said is None or outcome.halted or outcome.signal:
        return []
    return [("forecast", comparison_line(said, outcome.spent.wall_hours * HOUR_S))]


def exit_code(outcome: SearchResult) -> int:
    """Return 128 + the signal that ended the search, 1 without a winner, else 0."""
    return 128 + outcome.signal if outcome.signal else 0 if outcome.best else 1


def comparison(study: Study, trained: Trained) -> list[str]:
    """Return the final lines of a training: the metric compared with the recorded one."""
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


def _best(study: Study, best: TrialRecord) -> list[tuple[str, str]]:
    return [
        ("best", f"trial {best.number}: {study.metric.name} {best.value:.6g}  [{params_text(best.params)}]")
    ]


def _default(
    study: Study, best: TrialRecord, trials: list[TrialRecord], raced: bool
) -> list[tuple[str, str]]:
    if study.default is None:
        return []
    default = next(trial for trial in trials if trial.number == 0)
    if default.state is not State.COMPLETE:
        return [("default", f"trial 0 {default.state}: {default.reason}; nothing to compare with")]
    text = f"trial 0: {study.metric.name} {default.value:.6g}"
    if raced:
        same = best.number == default.number
        return [
            ("default", f"{text} in one run; {'it is the best' if same else f'the best: {best.value:.6g}'}")
        ]
    if study.metric.better(best.value, default.value):
        better = f"the best is better by {abs(best.value - default.value):.6g}"
        return [("default", f"{text}; {better} in one run of each (with another seed: not shown)")]
    return [("default", f"{text}; no trial is better than the default")]


def _nothing(study: Study, outcome: SearchResult, out: Path) -> str:
    counts = Counter(trial.state.value for trial in outcome.trials)
    states = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none started"
    reasons = [trial.reason for trial in outcome.trials if trial.state is State.FAILED]
    repeated = outcome.halted.startswith(SAME_ERROR)
    why = f"; the first failure: {reasons[0]}" if reasons and not repeated else ""
    remedy = "repair the trial or allow more trials, and search into a new folder"
    early = outcome.signal or outcome.halted.startswith(SPENT)
    way_out = f"see {out / 'journal.jsonl'}, {f'continue: {_way_to_resume(outcome)}' if early else remedy}"
    full = f"{study.max_reports} {study.report_unit}s"
    return f"no trial ran its {full}, so there is no best.yaml ({states}){why}; {way_out}"


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    return [f"{title:<12}{text}" for title, text in rows]
