"""A search that is killed again and again in forked processes, from a process that has no thread and no Ray.

    python -m tests.tuner.support.forked FOLDER SCHEDULER KILLS

runs a search alone in FOLDER/alone, and one in FOLDER/killed with so many kill -9 at random moments.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.tuner.support.studies import DEFAULT, SPACE, quiet, toy_study
from tuner.study.study import Study
from tuner.workflows.search import search_local

PATIENCE_S = 120.0


def study_of(scheduler: dict[str, Any]) -> Study:
    """Ten trials of the toy, some of which report a NaN."""
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
        traceback.print_exc()
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


def main(folder: Path, scheduler: dict[str, Any], kills: int) -> None:
    study, began = study_of(scheduler), time.monotonic()
    if ended_after(begun(study, folder / "alone"), PATIENCE_S) != 0:
        sys.exit("the search alone did not come to its end")
    whole_s = time.monotonic() - began
    moments, killed, code = random.Random(str(scheduler)), 0, None
    while code is None:
        patience = moments.uniform(0.0, whole_s / 3) if killed < kills else PATIENCE_S
        code = ended_after(begun(study, folder / "killed"), patience)
        killed += code is None
    print(killed)
    sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
