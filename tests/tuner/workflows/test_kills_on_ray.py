"""kill -9 on a real cluster: of the driver, and of processes that run trials, at random moments.

Twenty kills take minutes (`make test-kills`); two of them are part of `make test`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.tuner.support.killing import left
from tests.tuner.support.studies import journal, toy_study
from tests.tuner.workflows.test_interrupt import session_members
from tuner.study.yaml_file import dump

TRIALS, EPOCHS = 12, 6
REPORTS = TRIALS * EPOCHS


class Killer:
    """Runs one search again and again until it is through, and kills it in between.

    Args:
        folder: for everything.
        concurrency: trials at once.
        seed: of the moments.
    """

    def __init__(self, folder: Path, concurrency: int, seed: int) -> None:
        self.out, self._study = folder / "out", folder / "s.yaml"
        study = toy_study(
            trials=TRIALS, epochs=EPOCHS, concurrency=concurrency, settings={"pace_s": 0.03}, retries=20,
            scheduler={"name": "asha", "grace_period": 2, "reduction_factor": 2}, resources={"cpu": 1},
        )  # fmt: skip
        self._study.write_text(dump(study.to_dict()))
        self._moments = random.Random(seed)
        self._driver: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        command = [sys.executable, "-m", "tuner", "search", str(self._study), "--out", str(self.out)]
        self._driver = subprocess.Popen(
            [*command, "--resume", "--no-forecast"], start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait_for(self, lines: int) -> bool:
        """Until the journal has so many lines, and a moment more; False: the search ended before."""
        assert self._driver is not None
        while self._lines() < lines:
            if self._driver.poll() is not None:
                return False
            time.sleep(0.002)
        time.sleep(self._moments.uniform(0, 0.1))
        return self._driver.poll() is None

    def kill_driver(self) -> None:
        assert self._driver is not None
        self._driver.kill()
        self.end()

    def kill_worker(self) -> bool:
        """Kill one as soon as there is one; False: the search ended before."""
        assert self._driver is not None
        while self._driver.poll() is None:
            running = [
                pid for pid in session_members(self._driver.pid) if _title(pid).startswith("ray::Impl")
            ]
            if running:
                with suppress(ProcessLookupError):
                    os.kill(self._moments.choice(running), signal.SIGKILL)
                return True
            time.sleep(0.01)
        return False

    def finish(self) -> None:
        assert self._driver is not None
        out, err = self._driver.communicate(timeout=300)
        assert self._driver.returncode == 0, f"{out}\n{err}"

    def end(self) -> None:
        """Nothing of the last session is left."""
        if self._driver is not None:
            for pid in session_members(self._driver.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._driver.communicate()
            self._driver = None

    def torture(self, kills: int, workers: bool) -> tuple[int, int]:
        """Kill so many times and let it come to its end; kills of the driver and of workers."""
        killed = [0, 0]
        for number in range(kills):
            if self._driver is None:
                self.begin()
            rest = max(REPORTS // (kills + 1), 1)
            if not self.wait_for(self._lines() + self._moments.randint(1, rest)):
                break
            if workers and number % 2:
                killed[1] += self.kill_worker()
            else:
                self.kill_driver()
                killed[0] += 1
        if self._driver is None:
            self.begin()
        self.finish()
        return killed[0], killed[1]

    def _lines(self) -> int:
        file = self.out / "journal.jsonl"
        return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.fixture
def killers(tmp_path: Path) -> Iterator[list[Killer]]:
    """Killers that a test makes, of which nothing outlives it."""
    made: list[Killer] = []
    yield made
    for each in made:
        each.end()


def killer(made: list[Killer], folder: Path, concurrency: int, seed: int) -> Killer:
    folder.mkdir()
    made.append(Killer(folder, concurrency, seed))
    return made[-1]


@pytest.mark.slow
def test_after_the_death_of_driver_and_worker_nothing_is_lost_or_doubled(
    tmp_path: Path, killers: list[Killer]
) -> None:
    each = killer(killers, tmp_path / "killed", 2, seed=1)
    assert each.torture(2, workers=True) == (1, 1)
    assert len(left(each.out).trials) == TRIALS


@pytest.mark.kills
def test_one_at_a_time_twenty_kills_change_nothing(tmp_path: Path, killers: list[Killer]) -> None:
    alone = killer(killers, tmp_path / "alone", 1, seed=0)
    alone.begin()
    alone.finish()
    killed = killer(killers, tmp_path / "killed", 1, seed=2)
    drivers, workers = killed.torture(20, workers=True)
    print(f"{drivers} kills of the driver, {workers} of workers")
    assert drivers + workers >= 15  # a worker may be between two trials
    assert left(killed.out) == left(alone.out)


@pytest.mark.kills
def test_two_at_a_time_twenty_kills_lose_and_double_nothing(tmp_path: Path, killers: list[Killer]) -> None:
    killed = killer(killers, tmp_path / "killed", 2, seed=3)
    drivers, workers = killed.torture(20, workers=True)
    print(f"{drivers} kills of the driver, {workers} of workers")
    assert drivers + workers >= 15
    assert len(left(killed.out).trials) == TRIALS
    lost = [each for each in journal(killed.out) if each["event"] == "trial_retried"]
    assert {each["cause"] for each in lost} <= {"lost"}


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
