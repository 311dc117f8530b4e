"""Warm start: usable trials are learned from, others left out, and a folder without any is one line."""

# ruff: noqa: E501 - one damaged journal and its message a line

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tuner.support.studies import toy_study
from tuner.errors import StudyError
from tuner.journal.event import FORMAT
from tuner.searchers.optuna_searcher import OptunaSearcher
from tuner.searchers.warm_start import EarlierTrial, earlier_trials
from tuner.study.study import Study

SPACE = {"x": {"float": [0, 1]}}


def study(folder: Path, **changes: Any) -> Study:
    return toy_study(**({"search": SPACE, "warm_start": str(folder), "name": "now"} | changes))


def trial(
    number: int, params: dict[str, Any], losses: list[Any], state: str, **more: Any
) -> list[dict[str, Any]]:
    """Events of one trial, as a journal has them."""
    reports = [
        {"event": "trial_reported", "trial": number, "epoch": epoch, "metrics": {"dev/loss": loss, **more}}
        for epoch, loss in enumerate(losses, start=1)
    ]
    started = {"event": "trial_started", "trial": number, "params": params, "encoded": {}}
    return [started, *reports, {"event": "trial_ended", "trial": number, "state": state}]


def write(folder: Path, events: list[dict[str, Any]], end: str = "") -> Path:
    """Write a journal; `end` is what a crash left of a last line, or a damaged one."""
    started = {"event": "study_started", "format": FORMAT, "study": {}}
    lines = [json.dumps(event | {"time": "2026-01-01T00:00:00+00:00"}) for event in [started, *events]]
    (folder / "journal.jsonl").write_text("".join(f"{line}\n" for line in lines) + end)
    return folder


EVENTS = [
    *trial(1, {"x": 0.75}, [0.9, 0.8], "stopped"),
    *trial(0, {"x": 0.5}, [0.5, 0.4, 0.3, 0.2], "complete"),
    *trial(2, {"x": 0.25}, ["nan"], "failed"),
    *trial(3, {"x": 1.5}, [0.5, 0.4, 0.3, 0.2], "complete"),
    *trial(4, {"x": 0.1, "y": 2}, [0.5, 0.4, 0.3, 0.2], "complete"),
    *trial(5, {"x": 0.2}, [0.5, 0.4, 0.3, 0.2, 0.1], "complete"),
    *trial(6, {"x": 0.3}, [0.5, "nan", 0.3, "inf"], "complete"),
    *trial(7, {"x": 0.4}, [0.5, "nan"], "interrupted"),
    *trial(8, {"x": 0.6}, ["nan", 0.4], "stopped"),
]


def test_finished_legal_trials_are_taken_up_to_this_study_s_last_report(tmp_path: Path) -> None:
    found = earlier_trials(study(write(tmp_path, EVENTS, end='{"event": "trial_st')))
    assert [(each.params["x"], each.values) for each in found] == [
        (0.5, [0.5, 0.4, 0.3, 0.2]),
        (0.75, [0.9, 0.8]),
        (0.2, [0.5, 0.4, 0.3, 0.2]),
        (0.6, [None, 0.4]),
    ]
    assert [each.metrics for each in found] == [{"dev/loss": value} for value in (0.2, 0.8, 0.2, 0.4)]
    assert all(
        EarlierTrial.model_validate(json.loads(json.dumps(each.model_dump()))) == each for each in found
    )


def test_they_are_history_and_neither_run_nor_counted(tmp_path: Path) -> None:
    default = {"x": 0.9}
    sampler = OptunaSearcher(study(write(tmp_path, EVENTS), default=default))
    assert len(sampler.earlier) == 4
    told = [(t.state.name, t.value, t.params["x"]) for t in sampler.study.trials]
    assert told == [
        ("COMPLETE", 0.2, 0.5),
        ("PRUNED", 0.8, 0.75),
        ("COMPLETE", 0.2, 0.2),
        ("PRUNED", 0.4, 0.6),
    ]
    asked = sampler.ask()
    assert (asked.number, asked.params) == (0, default)


def test_what_was_learned_from_at_the_start_is_what_a_resumed_search_learns_from(tmp_path: Path) -> None:
    """The folder may change or go in between: the trials that were used can be given."""
    begun = OptunaSearcher(study(write(tmp_path, EVENTS), sampler={"name": "tpe", "seed": 1, "startup": 2}))
    (tmp_path / "journal.jsonl").unlink()
    resumed = OptunaSearcher(study(tmp_path, sampler={"name": "tpe", "seed": 1, "startup": 2}), begun.state)
    assert [begun.ask() for _ in range(3)] == [resumed.ask() for _ in range(3)]


def test_a_good_region_found_earlier_is_where_the_search_begins(tmp_path: Path) -> None:
    points = [n / 40 for n in range(40)]
    events = [
        event
        for n, x in enumerate(points)
        for event in trial(n, {"x": x}, [1, 1, 1, (x - 0.3) ** 2], "complete")
    ]
    sampler = OptunaSearcher(
        study(write(tmp_path, events), trials=12, sampler={"name": "tpe", "seed": 1, "startup": 10})
    )
    near = [abs(sampler.ask().params["x"] - 0.3) < 0.2 for _ in range(10)]
    assert sum(near) >= 7


def test_with_objectives_and_constraints_their_values_count(tmp_path: Path) -> None:
    events = [*trial(0, {"x": 0.5}, [0.4, 0.3, 0.2, 0.1], "complete", size=12), *EVENTS]
    several = study(
        write(tmp_path, events),
        scheduler={"name": "none"},
        objectives=[{"name": "size", "mode": "min"}],
        constraints=[{"metric": "size", "at_most": 10}],
    )
    with pytest.raises(StudyError, match="can be learned from"):
        earlier_trials(several)  # trial 0 began once more, without a size
    write(tmp_path, [*EVENTS, *trial(9, {"x": 0.5}, [0.4, 0.3, 0.2, 0.1], "complete", size=12)])
    (told,) = OptunaSearcher(several).study.trials
    assert (told.values, told.constraints) == ([0.1, 12.0], {"size": 2.0})


def test_a_trial_that_took_over_another_one_s_state_is_left_out(tmp_path: Path) -> None:
    cloned = {"event": "trial_resumed", "trial": 0, "donor": 1, "params": {"x": 0.1}}
    kept = {"event": "trial_resumed", "trial": 1, "donor": None}
    found = earlier_trials(study(write(tmp_path, [*EVENTS, cloned, kept])))
    assert [each.params["x"] for each in found] == [0.75, 0.2, 0.6]


@pytest.mark.parametrize(
    ("events", "end", "rule"),
    [
        ([], "", "none of 0 finished trials can be learned from"),
        (trial(0, {"x": 0.5}, [0.5], "failed"), "", "none of 0 finished trials can be learned from"),
        (trial(0, {"z": 0.5}, [0.5], "complete"), "", "none of 1 finished trials has params of this search: z is not searched; there are: x;"),
        (EVENTS, "{\n", f"journal.jsonl:{len(EVENTS) + 2}: is no event of a search"),
        ([{"event": "trial_ended", "trial": 3, "state": "complete"}], "", "journal.jsonl:2: does not fit the lines before"),
        (EVENTS, "[]\n", f"journal.jsonl:{len(EVENTS) + 2}: is no event of a search"),
    ],
)  # fmt: skip
def test_a_journal_that_cannot_be_used_is_one_line(
    tmp_path: Path, events: list[dict[str, Any]], end: str, rule: str
) -> None:
    write(tmp_path, events, end)
    with pytest.raises(StudyError) as caught:
        earlier_trials(study(tmp_path))
    assert str(caught.value).startswith(f"study now: warm_start: {tmp_path}")
    assert rule in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_metric_or_no_study_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, EVENTS)
    with pytest.raises(StudyError, match=r"no trial reported dev/lost; did you mean `dev/loss`\?"):
        earlier_trials(study(tmp_path, metric={"name": "dev/lost", "mode": "min"}))
    with pytest.raises(StudyError, match="none: no such folder; name the folder of an earlier study"):
        earlier_trials(study(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match=r"empty: contains no journal\.jsonl; name the folder"):
        earlier_trials(study(tmp_path / "empty"))


def test_a_journal_of_an_older_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path, EVENTS)
    file = tmp_path / "journal.jsonl"
    file.write_text(file.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    with pytest.raises(StudyError, match=rf"warm_start: .*journal.jsonl:1: .*{FORMAT}"):
        earlier_trials(study(tmp_path))


def test_without_an_earlier_study_there_is_nothing() -> None:
    assert OptunaSearcher(toy_study()).earlier == []
