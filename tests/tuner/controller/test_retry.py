"""What a failure costs, cause by cause."""

from __future__ import annotations

import math
import traceback
from pathlib import Path
from typing import Any

import pytest

from tuner.controller.retry import Failure, FailureCause, RetryPolicy, cause_of
from tuner.controller.tracebacks import failure_of, last_error, trace_of
from tuner.errors import StateLostError
from tuner.journal.event import Event, EventKind
from tuner.journal.record import StudyRecord, TrialRecord
from tuner.trial import RetrySettings

PARAMS = {"runtime": {"micro_batch": 8}, "rate": 0.1}
LOST, MEMORY, NAN = (
    Failure(c, c.value) for c in (FailureCause.LOST, FailureCause.MEMORY, FailureCause.NOT_FINITE)
)


def halved(params: dict[str, Any], cause: str) -> dict[str, Any] | None:
    assert cause in ("memory", "not-finite")
    if cause == "not-finite":
        return {"runtime.precision": "float32"}
    size = params["runtime"]["micro_batch"] // 2
    return {"runtime.micro_batch": size} if size else None


def changes(failure: Failure, retry_settings: RetrySettings | None, trial: TrialRecord | None = None) -> Any:
    return RetryPolicy(2, retry_settings).changes(trial or TrialRecord(0, {}), failure, PARAMS)


def test_out_of_memory_asks_the_trial_function_for_relief() -> None:
    assert changes(MEMORY, halved) == {"runtime.micro_batch": 4}
    tiny = {"runtime": {"micro_batch": 1}}
    assert RetryPolicy(2, halved).changes(TrialRecord(0, {}), MEMORY, tiny) is None


def test_out_of_memory_is_relieved_as_often_as_it_helps() -> None:
    trial = TrialRecord(0, {})
    trial.retries[FailureCause.MEMORY] = 50
    assert changes(MEMORY, halved, trial) == {"runtime.micro_batch": 4}


def test_a_nan_is_worth_one_more_attempt() -> None:
    trial = TrialRecord(0, {})
    assert changes(NAN, halved, trial) == {"runtime.precision": "float32"}
    trial.retries[FailureCause.NOT_FINITE] += 1
    assert changes(NAN, halved, trial) is None
    assert changes(MEMORY, halved, trial) is not None


def test_an_error_of_the_trial_function_is_worth_none() -> None:
    assert changes(Failure(FailureCause.ERROR, "boom", "abc"), halved) is None


def test_without_a_relieve_only_a_death_is_worth_another_attempt() -> None:
    assert changes(MEMORY, None) is None
    assert changes(NAN, None) is None
    assert changes(LOST, None) == {}


def test_deaths_are_limited_and_a_report_sets_the_count_back() -> None:
    record = StudyRecord("dev/loss")
    record.start(0, {})
    trial, policy = record.trials[0], RetryPolicy(2, None)
    for allowed in (True, True, False):
        assert (policy.changes(trial, LOST, PARAMS) == {}) is allowed
        if allowed:
            record.retry(0, FailureCause.LOST, "gone", {}, 0.0)
    record.retry(0, FailureCause.MEMORY, "full", {}, 0.0)
    assert trial.losses_without_report == 2  # only deaths count
    record.report(0, 1, {"dev/loss": 0.5}, None, 0.0)
    assert trial.losses_without_report == 0
    assert policy.changes(trial, LOST, PARAMS) == {}
    assert trial.retries == {"lost": 2, "memory": 1}
    assert RetryPolicy(0, None).changes(trial, LOST, PARAMS) is None


@pytest.mark.parametrize(
    "given", [None, {}, {"runtime.micro_batch": 8}, {"rate": 0.1, "runtime.micro_batch": 8}], ids=str
)
def test_a_relief_that_changes_nothing_is_none(given: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert changes(MEMORY, lambda params, cause: given) is None
    assert capsys.readouterr().err == ""


def raising(params: dict[str, Any], cause: str) -> dict[str, Any]:
    raise KeyError("micro_batch")


@pytest.mark.parametrize(
    "retry_settings",
    [
        raising,
        lambda params, cause: {"rate": math.nan},
        lambda params, cause: {"rate": object()},
        lambda params, cause: {"rate.inner": 1},
        lambda params, cause: ["rate"],
        lambda params, cause: 3,
        lambda params, cause, more: {},
    ],
    ids=["raises", "nan", "object", "below a number", "list", "number", "signature"],
)
def test_a_faulty_relief_costs_its_trial_one_warning(
    retry_settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert changes(MEMORY, retry_settings) is None
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: trial 0: retry_settings: ")


def test_a_relief_cannot_change_what_the_attempt_was_given() -> None:
    def greedy(params: dict[str, Any], cause: str) -> dict[str, Any]:
        params["runtime"]["micro_batch"] = 2
        return {"runtime.micro_batch": 2}

    params = {"runtime": {"micro_batch": 8}}
    assert RetryPolicy(2, greedy).changes(TrialRecord(0, {}), MEMORY, params) == {"runtime.micro_batch": 2}
    assert params == {"runtime": {"micro_batch": 8}}


def ends(policy: RetryPolicy, *traces: str) -> list[str]:
    trial = TrialRecord(0, {}, reason="RuntimeError: boom")
    return [policy.repeated(trial, trace) for trace in traces]


@pytest.mark.parametrize(
    ("traces", "stops"),
    [
        (("a", "a", "a"), True),
        (("a", "a", "b"), False),
        (("a", "", "a"), False),
        (("", "", ""), False),
        (("b", "a", "a", "a"), False),
        (("a", "a"), False),
    ],
)
def test_only_the_first_three_alike_stop_a_search(traces: tuple[str, ...], stops: bool) -> None:
    told = ends(RetryPolicy(2, None), *traces)
    assert told[:2] == ["", ""][: len(traces)]
    assert any(told) is stops
    if stops:
        assert told[2] == "the first 3 trials failed with the same error: RuntimeError: boom"


def test_whoever_goes_on_gets_three_more() -> None:
    policy = RetryPolicy(2, None)
    assert any(ends(policy, "a", "a", "a"))
    assert not any(ends(policy, "a", "a", "a"))
    policy.reset()
    assert any(ends(policy, "a", "a", "a"))


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


class RayError(Exception):
    """As Ray names the first of its own."""


class ActorDiedError(RayError):
    """A process of a trial's group died."""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), FailureCause.MEMORY),
        (OutOfMemoryError("no more"), FailureCause.MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), FailureCause.MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), FailureCause.MEMORY),
        (OSError(12, "Cannot allocate memory"), FailureCause.MEMORY),
        (FloatingPointError("the loss is nan"), FailureCause.NOT_FINITE),
        (OverflowError("math range error"), FailureCause.NOT_FINITE),
        (StateLostError("the state 0001 cannot be read"), FailureCause.LOST),
        (ActorDiedError("out of memory"), FailureCause.LOST),
        (RuntimeError("boom"), FailureCause.ERROR),
        (OSError(28, "No space left on device"), FailureCause.ERROR),
        (ValueError("batch_size: needs at least 2"), FailureCause.ERROR),
    ],
    ids=lambda each: repr(each),
)
def test_the_cause_of_an_exception(error: Exception, cause: FailureCause) -> None:
    assert cause_of(error) is cause


def text_of(call: Any) -> str:
    try:
        call()
    except Exception:  # noqa: BLE001
        return traceback.format_exc()
    return ""


def test_equal_tracebacks_have_one_digest_whatever_they_say() -> None:
    def wrong(width: int) -> None:
        raise RuntimeError(f"width {width}\nwith a second line")

    def other(width: int) -> None:
        raise RuntimeError(f"width {width}")

    first, second, third = (
        text_of(lambda: wrong(1)), text_of(lambda: int("x")), text_of(lambda: other(1)),
    )  # fmt: skip
    again = first.replace("width 1", "width 2")
    assert trace_of(first) == trace_of(again) != ""
    assert len({trace_of(text) for text in (first, second, third)}) == 3
    assert trace_of("the worker process died") == ""


def test_the_last_traceback_of_several_attempts_is_found_again(tmp_path: Path) -> None:
    for word in ("first", "second"):
        failure = failure_of(FailureCause.MEMORY, text_of(lambda word=word: int(word)), tmp_path, 3)
    assert failure.reason.startswith(
        "ValueError: invalid literal for int() with base 10: 'second' (in full: "
    )
    assert "'first'" in (tmp_path / "0003.txt").read_text()
    kept = last_error(tmp_path, 3)
    assert kept.startswith("Traceback (most recent call last):\n")
    assert kept.count("Traceback") == kept.count("'second'") == 1
    assert last_error(tmp_path, 4) == ""


def test_what_a_retry_changed_and_lost_is_what_the_journal_says() -> None:
    record = StudyRecord("dev/loss")
    record.start(0, {})
    for size in (4, 2):
        record.retry(0, FailureCause.MEMORY, "full", {"runtime.micro_batch": size}, 1.5)
    event = Event.from_dict(Event(EventKind.TRIAL_RETRIED, 0, {"cause": "lost", "changes": {}}).to_dict())
    record.apply(event)
    trial = record.trials[0]
    assert trial.changes == {"runtime.micro_batch": 2}
    assert trial.retries == {"memory": 2, "lost": 1}
    assert trial.seconds == 3.0
