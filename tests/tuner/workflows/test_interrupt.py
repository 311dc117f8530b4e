"""Ctrl-C in a real process: what was found is exported, every run ends, nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.tuner.support.studies import journal, toy_study
from tuner.study.load import load_study
from tuner.study.yaml_file import dump
from tuner.tracking.address import store_uri

# the third trial waits for a file that never comes
STUDY = toy_study(
    search={"x": {"float": [0, 1]}, "wait_for": {"choice": ["/", "/no/such/file"]}},
    default={"x": 0.3, "wait_for": "/"}, trials=50, concurrency=1, sampler={"name": "random", "seed": 2},
    scheduler={"name": "none"},
)  # fmt: skip


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A search in a session of its own, of which nothing outlives the test."""
    (tmp_path / "s.yaml").write_text(dump(STUDY.to_dict()))
    command = [
        sys.executable,
        "-c",
        "from tuner.commands.app import main; main()",
        "search",
        str(tmp_path / "s.yaml"),
    ]
    started = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    yield started
    for pid in session_members(started.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    started.wait()


def test_ctrl_c_keeps_what_was_found_and_ends_everything(
    process: subprocess.Popen[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    _wait_for_blocked_trial(process, out)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 130, stderr
    assert stderr == ""
    assert "ending the search, keeping what was found" in stdout
    assert "best        trial" in stdout

    assert load_study(str(out / "best.yaml")).origin is not None
    assert (out / "detector" / "model.json").is_file()
    events = journal(out)
    assert events[-1]["state"] == "interrupted"
    states = Counter(event["state"] for event in events if event["event"] == "trial_ended")
    assert states["interrupted"] == 1
    runs = MlflowClient(tracking_uri=store_uri(out)).search_runs(["1"])
    assert Counter(run.info.status for run in runs) == {"FINISHED": states["complete"], "KILLED": 2}
    _wait_until_gone(process.pid)


def _wait_for_blocked_trial(process: subprocess.Popen[str], out: Path) -> None:
    """A trial has ended and another one, which waits for ever, has begun."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        if (out / "journal.jsonl").exists():
            started = [e for e in journal(out) if e["event"] == "trial_started"]
            if any(event["params"]["wait_for"] != "/" for event in started) and len(started) > 1:
                return
        time.sleep(0.05)
    raise AssertionError("no trial began to wait")


def _wait_until_gone(session: int) -> None:
    """Every process of the search's session is gone, Ray's included."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not session_members(session):
            return
        time.sleep(0.1)
    raise AssertionError(f"still there: {session_members(session)}")


def session_members(session: int) -> list[int]:
    """Live processes; a zombie has no command line."""
    members = []
    for entry in Path("/proc").iterdir():
        with suppress(ProcessLookupError, FileNotFoundError):
            of_session = entry.name.isdigit() and os.getsid(int(entry.name)) == session
            if of_session and (entry / "cmdline").read_bytes():
                members.append(int(entry.name))
    return members
