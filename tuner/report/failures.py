"""What failed, by cause: attempts that were lost, and trials that were given up."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tuner.event import Kind
from tuner.record import State
from tuner.report.parts import Section, Table, counted
from tuner.report.searched import Searched

_SHOWN = 200  # characters of a reason
_FEW = 12


def section(search: Searched) -> Section:
    """Retries by cause and failed trials with their reasons."""
    causes = by_cause(search)
    failed = failed_trials(search)
    retries = sum(row["attempts"] for row in causes.values())
    numbers = {
        "by_cause": causes,
        "trials": failed,
        "retries": retries,
    }
    if not causes and not failed:
        return Section("failures", "Failures and retries", ["No attempt failed."], numbers)
    tables = []
    if causes:
        rows = [[cause, row["attempts"], row["trials"], row["went_on"]] for cause, row in causes.items()]
        caption = (
            "An attempt that is lost costs its trial what it had not saved; the next one goes on from there."
        )
        tables.append(Table(["cause", "lost attempts", "trials", "of these not failed"], rows, caption))
    if failed:
        shown = [[row["trial"], row["epoch"], row["reason"]] for row in failed[:_FEW]]
        more = f"The first {_FEW} of {len(failed)}." if len(failed) > _FEW else ""
        tables.append(Table(["failed trial", f"{search.study.unit}s", "reason"], shown, more))
    text = [
        f"{counted(len(failed), 'trial')} of {len(search.trials)} failed;"
        f" {counted(retries, 'attempt')} were tried again. Tracebacks are in the folder `errors`."
    ]
    return Section("failures", "Failures and retries", text, numbers, tables)


def by_cause(search: Searched) -> dict[str, dict[str, int]]:
    """Of each cause of a retry: lost attempts, trials that had any, and how many of these have not failed."""
    attempts: Counter[str] = Counter()
    trials: dict[str, set[int]] = {}
    for event in search.events:
        if event.kind is Kind.TRIAL_RETRIED and event.trial is not None:
            attempts[event["cause"]] += 1
            trials.setdefault(event["cause"], set()).add(event.trial)
    return {
        cause: {
            "attempts": count,
            "trials": len(trials[cause]),
            "went_on": sum(search.record.trials[each].state is not State.FAILED for each in trials[cause]),
        }
        for cause, count in attempts.most_common()
    }


def failed_trials(search: Searched) -> list[dict[str, Any]]:
    """Every failed trial with its reason, shortened."""
    return [
        {"trial": t.number, "epoch": t.epoch, "reason": _short(t.reason), "params": t.point}
        for t in search.trials
        if t.state is State.FAILED
    ]


def _short(reason: str) -> str:
    return reason if len(reason) <= _SHOWN else f"{reason[: _SHOWN - 1]}…"
