"""A trial function computes on while its report is on its way, and nothing of it is lost or out of turn."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection
from typing import Any

import pytest

from tuner.handover import Handover, Result, run_beside
from tuner.metrics import EPOCH, VALUE

PATIENCE_S = 20.0


def result(epoch: int, value: float = 1.0) -> Result:
    return {EPOCH: epoch, VALUE: value}


class Driver:
    """Answers reports when it is let; `stop` is the report that it ends the attempt with."""

    def __init__(self, stop: int = 0) -> None:
        self.heard: list[int] = []
        self.arrived, self.answer, self._stop = threading.Semaphore(0), threading.Semaphore(0), stop

    def __call__(self, told: Result) -> None:
        self.heard.append(told[EPOCH])
        self.arrived.release()
        assert self.answer.acquire(timeout=PATIENCE_S)
        if told[EPOCH] == self._stop:
            raise SystemExit

    def answer_all(self) -> None:
        self.answer.release(1000)


def run(work: Callable[[Handover], None], driver: Driver, asks: Collection[int] | None) -> list[Any]:
    """As Ray's thread does; what was raised."""
    raised: list[Any] = []
    try:
        run_beside(work, asks, driver)
    except BaseException as error:  # noqa: BLE001
        raised.append(error)
    return raised


def test_a_trial_computes_on_while_its_report_is_on_its_way() -> None:
    driver, computing = Driver(), threading.Event()

    def work(handover: Handover) -> None:
        handover.tell(result(1))
        computing.set()
        handover.tell(result(2))

    thread = threading.Thread(target=run, args=(work, driver, [2]), daemon=True)
    thread.start()
    assert driver.arrived.acquire(timeout=PATIENCE_S)
    assert computing.wait(PATIENCE_S)  # the first report is not answered yet
    driver.answer_all()
    thread.join(PATIENCE_S)
    assert driver.heard == [1, 2]


def test_no_report_is_handed_over_before_the_last_one_is_answered() -> None:
    driver, told = Driver(), list[int]()

    def work(handover: Handover) -> None:
        for epoch in (1, 2, 3):
            handover.tell(result(epoch))
            told.append(epoch)

    thread = threading.Thread(target=run, args=(work, driver, []), daemon=True)
    thread.start()
    for epoch in (1, 2, 3):
        assert driver.arrived.acquire(timeout=PATIENCE_S)
        assert driver.heard == list(range(1, epoch + 1))
        assert told in (driver.heard[:-1], driver.heard)
        driver.answer.release()
    thread.join(PATIENCE_S)
    assert told == [1, 2, 3]


@pytest.mark.parametrize(("asks", "value"), [([2], 1.0), (None, 1.0), ([], math.nan), ([], math.inf)])
def test_a_trial_that_may_end_computes_no_epoch_too_many(asks: list[int] | None, value: float) -> None:
    driver, computed = Driver(stop=2), list[int]()
    driver.answer_all()

    def work(handover: Handover) -> None:
        for epoch in (1, 2, 3):
            computed.append(epoch)
            handover.tell(result(epoch, value if epoch == 2 else 1.0))

    (error,) = run(work, driver, asks)
    assert isinstance(error, SystemExit)
    assert computed == driver.heard == [1, 2]


def test_a_trial_that_is_ended_all_the_same_hears_it_at_its_next_report() -> None:
    driver, settled, over = Driver(stop=1), list[int](), list[str]()
    driver.answer_all()

    def work(handover: Handover) -> None:
        try:
            handover.tell(result(1))
            handover.settle()
            settled.append(1)
        finally:
            over.append("finally")

    (error,) = run(work, driver, [])
    assert isinstance(error, SystemExit)
    assert (settled, over) == ([], ["finally"])


def test_what_was_handed_over_arrives_before_a_failure_and_before_the_end() -> None:
    def failing(handover: Handover) -> None:
        handover.tell(result(1))
        raise ArithmeticError("boom")

    for work, raised in ((failing, ArithmeticError), (lambda handover: handover.tell(result(1)), None)):
        driver = Driver()
        driver.answer_all()
        errors = run(work, driver, [])
        assert [type(error) for error in errors] == ([] if raised is None else [raised])
        assert driver.heard == [1]


def test_the_end_waits_for_the_trial_function_which_may_clean_up() -> None:
    driver, cleaned = Driver(stop=1), list[bool]()
    driver.answer_all()

    def work(handover: Handover) -> None:
        try:
            handover.tell(result(1))
        finally:
            cleaned.append(True)

    run(work, driver, None)
    assert cleaned == [True]
