"""kill -9 of a search at any moment: what `--resume` makes of it equals the search that was left alone.

Here the search runs in a forked process without Ray, so that many kills take seconds; on Ray,
and by the death of workers, see `test_kills_on_ray`.
"""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from pathlib import Path

import pytest

from tests.tuner.conftest import DEFAULT, SPACE, quiet, toy_study
from tests.tuner.killing import left
from tuner.definition import Study
from tuner.study import search_local

SCHEDULERS = [
    pytest.param({"name": "asha", "grace": 1, "reduction": 2}, marks=pytest.mark.slow),
    pytest.param({"name": "one-epoch", "reduction": 3}, marks=pytest.mark.kills),
    pytest.param({"name": "pbt", "interval": 1}, marks=pytest.mark.kills),
]
KILLS = 6  # of each scheduler


def study_of(scheduler: dict[str, object]) -> Study:
    return toy_study(
        search={**SPACE, "fate": {"choice": ["fine", "nan"]}}, default={**DEFAULT, "fate": "fine"},
        trials=10, scheduler=scheduler,
    )  # fmt: skip


def begun(study: Study, out: Path) -> int:
    """A forked process that searches, or goes on."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        search_local(study, out, quiet(), resume=True)
        code = 0
    except BaseException:
        out.with_suffix(".error").write_text(traceback.format_exc())
        raise
    finally:
        os._exit(code)


def ended_after(child: int, seconds: float) -> int | None:
    """Its exit code if it ended by itself within that time, else None: it was killed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda scheduler: str(scheduler["name"]))
def test_a_search_that_is_killed_again_and_again_equals_the_one_left_alone(
    tmp_path: Path, scheduler: dict[str, object]
) -> None:
    study = study_of(scheduler)
    began = time.monotonic()
    assert ended_after(begun(study, tmp_path / "alone"), 120) == 0
    whole_s = time.monotonic() - began
    moments, kills, code = random.Random(str(scheduler)), 0, None
    while code is None:
        patience = moments.uniform(0.0, whole_s / 3) if kills < KILLS else 120.0
        code = ended_after(begun(study, tmp_path / "killed"), patience)
        kills += code is None
    assert code == 0, (tmp_path / "killed.error").read_text()
    assert kills >= 3  # it may come to its end between two kills
    moves = scheduler["name"] == "pbt"
    assert left(tmp_path / "killed", moves) == left(tmp_path / "alone", moves)
    for name in ("best.yaml", "detector/model.json"):
        assert (tmp_path / "killed" / name).is_file()
    exported = [(tmp_path / run / "detector" / "model.json").read_text() for run in ("alone", "killed")]
    assert exported[0] == exported[1]
