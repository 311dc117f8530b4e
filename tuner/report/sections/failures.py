"""Section: failed attempts and failed trials, by cause."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from tuner.controller.retry import FailureCause
from tuner.journal.event import EventKind
from tuner.journal.record import State
from tuner.report.elements import Section, Table, counted
from tuner.results.study_folder import StudyFolder

_SHOWN = 200  # characters of a reason
_FEW = 12
_NOT_FINITE = re.compile(r" is -?(nan|inf) at epoch")
_NAME = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception|Exit|Interrupt))\b")


def section(search: StudyFolder) -> Section:
    """Return retries by cause, and failed trials with their reasons."""
    causes, failed = by_cause(search), failed_trials(search)
    ends = Counter(row["cause"] for row in failed)
    retries = sum(row["attempts"] for row in causes.values())
    numbers = {
        "by_cause": causes,
        "failed_by_cause": dict(ends.most_common()),
        "trials": failed,
        "retries": retries,
    }
    if not causes and not failed:
        return Section("failures", "Failures and retries", ["No attempt failed."], numbers)
    tables = []
    if causes:
        rows = [[cause, row["attempts"], row["trials"], row["recovered"]] for cause, row in causes.items()]
        caption = (
            "A failed attempt loses what it had not saved; the retry continues from the last checkpoint."
        )
        tables.append(Table(["cause", "failed attempts", "trials", "of which recovered"], rows, caption))
    if ends:
        tables.append(Table(["cause", "failed trials"], ends.most_common()))
        shown = [[row["trial"], row["epoch"], row["cause"], row["reason"]] for row in failed[:_FEW]]
        more = f"First {_FEW} of {len(failed)}." if len(failed) > _FEW else ""
        tables.append(Table(["failed trial", f"{search.study.report_unit}s", "cause", "reason"], shown, more))
    text = [
        f"{counted(len(failed), 'trial')} of {len(search.trials)} failed;"
        f" retries: {retries}. Tracebacks are in the folder `errors`."
    ]
    return Section("failures", "Failures and retries", text, numbers, tables)


def by_cause(search: StudyFolder) -> dict[str, dict[str, int]]:
    """Return, per cause of a retry, the failed attempts, their trials, and how many of these did not fail."""
    attempts: Counter[str] = Counter()
    trials: dict[str, set[int]] = {}
    for event in search.events:
        if event.kind is EventKind.TRIAL_RETRIED and event.trial is not None:
            attempts[event["cause"]] += 1
            trials.setdefault(event["cause"], set()).add(event.trial)
    return {
        cause: {
            "attempts": count,
            "trials": len(trials[cause]),
            "recovered": sum(search.record.trials[each].state is not State.FAILED for each in trials[cause]),
        }
        for cause, count in attempts.most_common()
    }


def failed_trials(search: StudyFolder) -> list[dict[str, Any]]:
    """Return every failed trial with its shortened reason."""
    return [
        {
            "trial": t.number,
            "epoch": t.epoch,
            "cause": cause_of_end(t.reason),
            "reason": _short(t.reason),
            "params": t.params,
        }
        for t in search.trials
        if t.state is State.FAILED
    ]


def cause_of_end(reason: str) -> str:
    """Return the cause of a trial's failure, read from its reason: the journal has no other record of it."""
    name = _NAME.match(reason)
    kind = name[1] if name else ""
    if "memory" in reason.lower():
        return FailureCause.MEMORY.value
    if _NOT_FINITE.search(reason) or kind in ("DivergenceError", "ArithmeticError", "FloatingPointError"):
        return FailureCause.NOT_FINITE.value
    return kind or FailureCause.ERROR.value


def _short(reason: str) -> str:
    return reason if len(reason) <= _SHOWN else f"{reason[: _SHOWN - 1]}…"
