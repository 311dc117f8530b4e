"""Which trials share a stack, and how their hours are counted; without Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.tuner.support.studies import toy_study
from tuner.controller.attempts import Attempt
from tuner.controller.budget import Spending
from tuner.controller.controller import Controller
from tuner.controller.resource_clock import ResourceClock
from tuner.controller.retry import Failure, FailureCause, RetryPolicy
from tuner.controller.stacking import Stacking, stacking_of
from tuner.execution.ray_tune.failures import fail_together
from tuner.execution.ray_tune.searcher import StudySearcher
from tuner.execution.stacking.channel import FREE, QUESTION, Channel, MailboxLostError
from tuner.execution.stacking.driver import StackDriver
from tuner.journal.record import StudyRecord
from tuner.schedulers.factory import build_scheduler
from tuner.searchers.optuna_searcher import OptunaSearcher
from tuner.storage.storage import Storage
from tuner.study.study import Study

KINDS = {"x": {"float": [0, 1]}, "kind": {"choice": ["round", "square"]}}


def stack_study(**changes: Any) -> Study:
    content = {
        "trial": "tests.tuner.support.stack_toy:run", "search": KINDS, "trials": 8,
        "scheduler": {"name": "none"},
        "sampler": {"name": "random", "seed": 1}, "resources": {"cpu": 1, "stack": 3},
    }  # fmt: skip
    return toy_study(**(content | changes))


def controller_of(out: Path, kinds: list[str], **changes: Any) -> Controller:
    points = [{"x": 0.1 * place, "kind": kind} for place, kind in enumerate(kinds)]
    content = {"points": [] if "search" in changes else points, "trials": len(kinds)}
    study = stack_study(**(content | changes))
    parts = (
        build_scheduler(study),
        StudyRecord(study.metric.name),
        Storage(str(out)),
        RetryPolicy(study.retries, None),
    )
    return Controller(study, OptunaSearcher(study), *parts, stacking=stacking_of(study))


def numbers(controller: Controller, free: int) -> list[int]:
    """The trials of the next stack."""
    first = controller.next_attempt()
    assert first is not None
    assert first.key is not None
    return [first.number, *(each.number for each in controller.next_for_stack(first.key, free))]


def test_a_stack_takes_its_like_in_order_and_leaves_the_others_waiting(tmp_path: Path) -> None:
    controller = controller_of(tmp_path, ["round", "square", "round", "square", "round", "round"])
    assert numbers(controller, 2) == [0, 2, 4]
    assert numbers(controller, 2) == [1, 3]
    assert numbers(controller, 2) == [5]
    assert controller.next_attempt() is None


def test_no_more_trials_are_begun_ahead_than_a_stack_has_places(tmp_path: Path) -> None:
    controller = controller_of(tmp_path, ["round", *["square"] * 5, "round"])
    assert numbers(controller, 2) == [0]
    assert len(controller.record.trials) == 4  # three squares wait: the last round one is not looked for


def test_a_trial_whose_stack_was_lost_goes_on_alone(tmp_path: Path) -> None:
    controller = controller_of(tmp_path, ["round"] * 4)
    first = controller.next_attempt()
    assert first is not None
    assert first.key is not None
    (second,) = controller.next_for_stack(first.key, 1)
    for attempt in (first, second):
        controller.failed(attempt, Failure(FailureCause.STACK, "its process died"))
    third = controller.next_attempt()
    assert third is not None
    assert third.number == first.number
    assert third.key is None
    assert [each.number for each in controller.next_for_stack(first.key, 2)] == [
        2,
        3,
    ]  # not 1, whose stack was lost


def test_without_stacks_everybody_is_alone(tmp_path: Path) -> None:
    controller = controller_of(tmp_path, ["round"] * 3, resources={"cpu": 1})
    first = controller.next_attempt()
    assert first is not None
    assert first.key is None


def test_what_cannot_be_stacked_is_asked_once_and_alone() -> None:
    asked = []

    def stackable(params: dict[str, Any]) -> str:
        asked.append(params)
        if params["width"] > 60:
            raise ValueError("too wide")
        return "all"

    stacking = Stacking(4, stackable)
    assert [stacking.key({"width": width}) for width in (8, 8, 64, 64)] == ["all", "all", None, None]
    assert len(asked) == 2


def test_stacks_of_several_processes_and_less_concurrency_than_a_stack_are_refused() -> None:
    with pytest.raises(ValidationError, match="needs one process per trial, got workers: 2"):
        stack_study(resources={"stack": 2, "workers": 2})
    with pytest.raises(ValidationError, match=r"needs at least resources.stack, 3, got 2; raise it"):
        stack_study(concurrency=2)
    assert stack_study(concurrency=7).reservations == 2
    assert stack_study().reservations is None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_is_shared_by_whoever_is_in_the_stack_then() -> None:
    clock = Clock()
    held = ResourceClock(clock)
    held.begin(0, "a")
    held.begin(1, "a")
    held.begin(2)  # alone
    clock.now = 4.0
    assert (held.take(0), held.end(1)) == (2.0, 2.0)
    clock.now = 7.0
    assert held.untaken() == pytest.approx(3.0 + 7.0)
    held.begin(3, "a")
    clock.now = 9.0
    assert (held.end(0), held.end(3), held.end(2)) == (4.0, 1.0, 9.0)
    assert held.take(0) == held.untaken() == 0.0


@given(
    st.lists(
        st.tuples(st.sampled_from(["begin", "take", "end"]), st.integers(0, 4), st.integers(0, 9)),
        max_size=40,
    )
)
def test_a_stack_holds_as_much_as_it_was_there_for(steps: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    held, there, taken, occupied = ResourceClock(clock), set[int](), 0.0, 0.0
    for what, number, seconds in steps:
        clock.now += seconds
        occupied += seconds if there else 0
        if what == "begin" and number not in there:
            held.begin(number, "one")
            there.add(number)
        elif what != "begin":
            call: Callable[[int], float] = held.end if what == "end" else held.take
            taken += call(number)
            there -= {number} if what == "end" else set()
    assert taken + held.untaken() == pytest.approx(occupied)


def test_gpu_hours_of_a_stack_are_those_of_its_gpu() -> None:
    clock = Clock()
    spending = Spending(stack_study(resources={"gpu": 1, "stack": 3}), clock)
    for number in range(3):
        spending.began(number, "a")
    clock.now = 3600.0
    assert spending.spent().gpu_hours == pytest.approx(1.0)
    assert [spending.ended(number) for number in range(3)] == [1200.0] * 3
    assert spending.spent().gpu_hours == pytest.approx(1.0)


class FakeMailbox:
    """Keeps the answers of a driver."""

    def __init__(self) -> None:
        self.given: list[tuple[str, int, Any]] = []
        self.repeats = 0

    def answered(self, stack: str, question: int) -> bool:
        return any(given[:2] == (stack, question) for given in self.given)

    def give(self, stack: str, question: int, answer: Any) -> None:
        self.given.append((stack, question, answer))

    def repeat(self) -> None:
        self.repeats += 1

    def forget(self, stack: str) -> None:
        self.given = [given for given in self.given if given[0] != stack]


def test_a_question_asked_again_gets_the_same_answer_and_begins_no_trial(tmp_path: Path) -> None:
    controller, mailbox = controller_of(tmp_path, ["round"] * 4), FakeMailbox()
    first = controller.next_attempt()
    assert first is not None
    driver = StackDriver(controller, {"a": [first]}, tmp_path, mailbox)
    question = {FREE: 2, QUESTION: 1}
    assert not driver.handle("a", question)
    assert [each["number"] for each in mailbox.given[0][2]] == [1, 2]
    assert not driver.handle("a", question)
    assert (len(mailbox.given), mailbox.repeats) == (1, 1)
    assert len(controller.record.trials) == 3  # a fourth is not begun for the repeated question


def test_a_channel_asks_again_when_the_mailbox_has_died() -> None:
    sent, lost = list[dict[str, Any]](), iter([True, True, False, False])

    def take(question: int) -> str:
        if next(lost):
            raise MailboxLostError
        return f"answer {question}"

    channel = Channel(sent.append, take)
    assert [channel.ask({"free": 1}), channel.ask({"free": 2})] == ["answer 1", "answer 2"]
    assert [message[QUESTION] for message in sent] == [1, 1, 1, 2]


def test_of_three_stacks_that_fail_alike_the_third_is_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    controller = controller_of(tmp_path, ["round"] * 8, retries=0)
    alone: list[int] = []

    def following() -> Attempt | None:
        while (attempt := controller.next_attempt()) is not None and attempt.key is None:
            alone.append(attempt.number)
        return attempt

    for lost in range(3):
        first = following()
        assert first is not None
        assert first.key is not None
        members = [first, *controller.next_for_stack(first.key, 1)]
        fail_together(controller, members, [Failure(FailureCause.MEMORY, "full", "abc")] * 2)
        assert ("lower resources.stack" in capsys.readouterr().err) == (lost == 2)
    assert following() is None
    assert alone == list(range(8))  # those of the stacks and those that were never in one
    assert not any(trial.retries["lost"] for trial in controller.record.ordered)


def test_few_trials_are_shared_by_all_free_slots(tmp_path: Path) -> None:
    controller = controller_of(tmp_path, ["round"] * 4)
    searcher = StudySearcher(controller, slots=2)
    widths = []
    for name in "ab":
        config = searcher.suggest(name)
        assert config is not None
        widths.append(len(config["stack"]))
    assert widths == [2, 2]
    assert searcher.suggest("c") is None


def test_trials_that_are_held_are_let_go_to_join(tmp_path: Path) -> None:
    controller = controller_of(
        tmp_path, ["round"] * 8, resources={"stack": 4}, epochs=8,
        scheduler={"name": "pbt", "interval": 1}, search={"x": {"float": [0, 1]}},
    )  # fmt: skip
    first = controller.next_attempt()
    assert first is not None
    assert first.key is not None
    members = [first, *controller.next_for_stack(first.key, 3)]
    widths = []
    while members:
        widths.append(len(members))
        for member in list(members):
            if controller.reported(
                member, controller.record.trials[member.number].epoch + 1, {"dev/loss": 1.0}, None
            ):
                members.remove(member)
        members += controller.next_for_stack(first.key, 4 - len(members))
    assert controller.finished
    assert sum(widths) == 8 * 8
    assert widths[:14] == [4] * 14
