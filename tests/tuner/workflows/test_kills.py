"""kill -9 of a search at any moment: after `--resume` its result equals that of an uninterrupted search.

Here the search runs in a forked process without Ray, so that many kills take seconds; on Ray,
and by the death of workers, see `test_kills_on_ray`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tuner.support.killing import left

SCHEDULERS = [
    pytest.param(
        {"name": "asha", "grace_period": 1, "reduction_factor": 2}, marks=pytest.mark.slow, id="asha"
    ),
    pytest.param(
        {"name": "early-discarding", "reduction_factor": 3}, marks=pytest.mark.kills, id="early-discarding"
    ),
    pytest.param({"name": "pbt", "interval": 1}, marks=pytest.mark.kills, id="pbt"),
]
KILLS = 8


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_search_that_is_killed_again_and_again_equals_the_one_left_alone(
    tmp_path: Path, scheduler: dict[str, Any]
) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.tuner.support.forked",
        str(tmp_path),
        json.dumps(scheduler),
        str(KILLS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3  # it may come to its end between two kills
    moves = scheduler["name"] == "pbt"
    assert left(tmp_path / "killed", moves) == left(tmp_path / "alone", moves)
    exported = [(tmp_path / run / "detector" / "model.json").read_text() for run in ("alone", "killed")]
    assert exported[0] == exported[1]
