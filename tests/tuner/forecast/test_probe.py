"""The probe in this process: what it measures, and every way in which a trial can end."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.tuner.support.studies import toy_study
from tuner.execution.worker import TrialTask
from tuner.forecast.probe import ProbeTiming, run_probe
from tuner.study.study import Study


def costly(**changes: Any) -> Study:
    content = {"trial": "tests.tuner.support.costly:run", "search": {"size": {"int": [1, 4]}}}
    return toy_study(**content, settings={"epoch_s": 0.01, "state_bytes": 500}, **changes)


def stopped(study: Study, folder: Path, **params: Any) -> ProbeTiming | str:
    """Two reports of size 2."""
    task = TrialTask(study.trial, study.metric.name, study.resources, str(folder))
    return run_probe(task, {**study.config({"size": 2}), **params}, 2, "state", lambda: False)


def test_it_ends_with_the_last_report_at_the_latest(tmp_path: Path) -> None:
    timing = stopped(costly(), tmp_path)
    assert isinstance(timing, ProbeTiming)
    assert [second >= 0.02 for second in timing.seconds] == [True, True]
    assert timing.checkpoint == 2 * 500 + 1
    assert (timing.device_memory, timing.device_total) == (None, None)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"fails": 2}, "RuntimeError: boom in two lines"),
        ({"quits": 2}, "the trial called sys.exit(3)"),
        ({"returns": 2}, "the trial ended after 1 of 2 reports"),
        ({"diverges": 2}, "ArithmeticError: dev/loss is nan at report 1"),
    ],
)
def test_a_trial_that_fails_says_why_in_one_line(params: dict[str, int], reason: str, tmp_path: Path) -> None:
    assert stopped(costly(), tmp_path, **params) == reason


def test_the_memory_of_a_gpu_is_what_its_driver_and_the_trial_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the driver's program, without a GPU; the trial reports 1 GB per size."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@" > "$0.asked"\necho 24576\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    study = costly(resources={"gpu": 1})
    timing = stopped(study, tmp_path)
    assert not isinstance(timing, str)
    assert (timing.device_total, timing.device_memory) == (24 * 2**30, 2e9)
    assert Path(f"{program}.asked").read_text().split()[-2:] == ["-i", "3"]
    program.write_text("#!/bin/sh\nexit 9\n")
    timing = stopped(study, tmp_path)
    assert not isinstance(timing, str)
    assert timing.device_total is None
