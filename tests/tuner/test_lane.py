"""Attempts one after the other in one trial of Ray's; Ray and the driver are played."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tuner.attempt import Attempt
from tuner.lane import run_lane
from tuner.metrics import ASKED, EPOCH, LANE, MEMBER
from tuner.objective import Task
from tuner.settings import Resources


def attempt(number: int, asks: list[int] | None, **params: Any) -> dict[str, Any]:
    return asdict(Attempt(number, 1, {"epochs": 4, **params}, None, 0, False, asks))


class Driver:
    """Ends each attempt at its fourth report, and has one to follow while there are any."""

    def __init__(self, following: list[dict[str, Any]], gone_at: int = 99) -> None:
        self.following, self.gone_at = following, gone_at
        self.told: list[tuple[int, int, bool]] = []

    def report(self, message: dict[str, Any]) -> None:
        assert message[LANE]
        self.told.append((message[MEMBER][0], message[EPOCH], ASKED in message))
        if len(self.told) == self.gone_at:
            raise SystemExit

    def answer(self, question: int) -> list[Any]:
        assert question == sum(asked for *_, asked in self.told)
        if self.told[-1][1] < 4:
            return [False, None]
        return [True, self.following.pop(0) if self.following else None]


def run(driver: Driver, first: dict[str, Any], folder: Path) -> None:
    task = Task("tests.tuner.toy:run", "dev/loss", Resources(), str(folder))
    run_lane(task, first, driver.report, driver.answer)


def test_what_ends_an_attempt_brings_the_next(tmp_path: Path) -> None:
    driver = Driver([attempt(1, None), attempt(5, [2, 4])])
    run(driver, attempt(0, [4]), tmp_path)
    asked = {0: [4], 1: [1, 2, 3, 4], 5: [2, 4]}
    expected = [(number, epoch, epoch in asked[number]) for number in (0, 1, 5) for epoch in range(1, 5)]
    assert driver.told == expected


def test_a_value_that_is_no_number_is_always_asked_of(tmp_path: Path) -> None:
    driver = Driver([])
    run(driver, attempt(0, [4], fate="nan"), tmp_path)
    assert [asked for *_, asked in driver.told] == [False, True, False, True]


def test_an_attempt_that_fails_ends_the_lane(tmp_path: Path) -> None:
    driver = Driver([attempt(1, [4]), attempt(2, [4])])
    with pytest.raises(RuntimeError, match="boom"):
        run(driver, attempt(0, [4], fate="fail"), tmp_path)
    assert driver.told == [(0, 1, False)]
    with pytest.raises(RuntimeError, match=r"called sys.exit\(0\)"):
        run(driver, attempt(0, [4], fate="quit"), tmp_path)
    assert len(driver.following) == 2


def test_where_the_search_ends_nothing_follows(tmp_path: Path) -> None:
    driver = Driver([attempt(1, [4])], gone_at=2)
    with pytest.raises(SystemExit):
        run(driver, attempt(0, [4]), tmp_path)
    assert driver.told == [(0, 1, False), (0, 2, False)]
    assert len(driver.following) == 1
