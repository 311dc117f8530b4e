"""The screen: a table on a terminal, lines elsewhere, a sign of life while nothing ends."""

from __future__ import annotations

import io
import math
import re
import time

import pytest
from rich.console import Console

from tests.tuner.support.studies import toy_study
from tuner.journal.record import EventListener, State, StudyRecord
from tuner.study.study import Study
from tuner.workflows import progress
from tuner.workflows.progress import Progress


def shown(study: Study, console: Console) -> StudyRecord:
    """A record that is shown."""
    listeners: list[EventListener] = []
    record = StudyRecord(study.metric.name, listeners)
    listeners.append(Progress(study, console, record))
    return record


def search(console: Console) -> None:
    """Three trials: one runs, one fails, one is stopped."""
    record = shown(toy_study(search={"x": {"float": [0, 1]}}), console)
    record.start_study("s", {})
    for number, x in enumerate((0.25, 0.5, 0.75)):
        record.start(number, {"x": x})
        record.report(number, 1, {"dev/loss": x}, None, 1.0)
    record.end(1, State.FAILED, "ValueError: boom (in full: /e/0001.txt)")
    record.end(2, State.STOPPED, "stopped by asha at epoch 1")
    record.report(0, 4, {"dev/loss": 0.125}, None, 1.0)
    record.end(0, State.COMPLETE, "")
    record.start(3, {"x": 1.0})
    record.end_study(State.INTERRUPTED)


def test_elsewhere_there_is_a_line_a_trial_and_a_last_count() -> None:
    out = io.StringIO()
    search(Console(file=out, width=60))
    lines = out.getvalue().splitlines()
    assert lines[:-1] == [
        "trial 1 failed after 1/4 epochs: dev/loss 0.5: ValueError: boom (in full: /e/0001.txt)",
        "trial 2 stopped after 1/4 epochs: dev/loss 0.75   [x=0.75]",
        "trial 0 complete after 4/4 epochs: dev/loss 0.125   [x=0.25]",
        "trial 3 interrupted after 0/4 epochs: no report   [x=1]",
    ]
    counts = "4/4 trials, 1 complete, 1 stopped, 1 failed, 1 interrupted"
    status = rf"{counts}, best dev/loss 0.125 \(trial 0\), \d\S* s elapsed"
    assert re.fullmatch(status, lines[-1])


def test_on_a_terminal_every_end_stays_above_the_table() -> None:
    out = io.StringIO()
    search(Console(file=out, width=200, force_terminal=True, color_system=None))
    text = out.getvalue()
    assert "trial 1 failed after 1/4 epochs" in text
    assert "trial 2 stopped after 1/4 epochs" in text
    assert (
        text.rstrip()
        .splitlines()[-1]
        .split("K")[-1]
        .startswith("4/4 trials, 1 complete, 1 stopped, 1 failed")
    )


def test_the_table_shows_what_runs_and_fits_a_narrow_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, width=60)
    listeners: list[EventListener] = []
    record = StudyRecord("dev/loss", listeners)
    listeners.append(table := Progress(toy_study(), console, record))
    record.start(0, {"x": 0.123456, "kind": "a" * 80})
    record.start(1, {"x": 0.5, "kind": "b"})
    record.report(1, 2, {"dev/loss": math.pi}, None, 1.0)
    console.print(table)
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["trial", "epoch", "dev/loss", "configuration"]
    assert lines[1].split()[:3] == ["0", "0/4", "-"]
    assert lines[2].split() == ["1", "2/4", "3.1416", "x=0.5,", "kind=b"]
    assert max(map(len, lines)) <= 60
    assert "0/4 trials, 2 running" in lines[3]


def test_a_sign_of_life_comes_while_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_S", 0.02)
    out = io.StringIO()
    record = shown(toy_study(), Console(file=out, width=200))
    record.start_study("s", {})
    record.start(0, {"x": 0.5})
    deadline = time.monotonic() + 10
    while "0/4 trials, 1 running" not in out.getvalue() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert "0/4 trials, 1 running" in out.getvalue()
    record.end_study(State.COMPLETE)
