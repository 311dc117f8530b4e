"""A search resumed after a crash asks for exactly the trials of an uninterrupted one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuner.support.studies import toy_study
from tests.tuner.support.toy import loss
from tuner.errors import StudyError
from tuner.journal.record import State
from tuner.searchers.optuna_searcher import OptunaSearcher
from tuner.searchers.searcher import Suggestion
from tuner.searchers.warm_start import EarlierTrial
from tuner.study.study import Study

SPACE: dict[str, Any] = {
    "x": {"float": [0, 1]},
    "optim.rate": {"log": [1e-4, 1], "when": {"kind": "round"}},
    "width": {"int": [8, 64]},
    "cuts": {"cuts": {"positions": 3, "count": [1, 2]}},
    "kind": {"choice": ["round", "square"]},
}
DEFAULT = {"x": 0.1 + 0.2, "width": 12, "cuts": [2, 3], "kind": "square"}
KNOWN = {"default": DEFAULT, "points": [{**DEFAULT, "kind": "round", "optim.rate": 1e-3}]}
LIMIT = {"constraints": [{"metric": "size", "at_most": 40}]}
TWO = {"scheduler": {"name": "none"}, "objectives": [{"name": "size", "mode": "min"}]}
EARLIER = [
    EarlierTrial(
        params={**DEFAULT, "x": x, "width": 10 * n},
        values=[0.5, None, x, x][: 2 + n % 3],
        metrics={"dev/loss": x, "size": 10.0 * n},
    )
    for n, x in enumerate([0.3, 0.2, 0.9, 0.1, 0.6], start=1)
]
OPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "report", State.COMPLETE, State.COMPLETE, State.STOPPED, State.FAILED]),
        st.integers(0, 1),
    ),
    max_size=40,
)
Entry = dict[str, Any]


def metrics(study: Study, params: dict[str, Any], epoch: int) -> dict[str, float]:
    return {"dev/loss": loss(study.config(params)) + 1 / epoch, "size": float(params["width"])}


def live(study: Study, sampler: OptunaSearcher, ops: list[tuple[str, int]]) -> list[Entry]:
    """A search with two trials at a time; what its journal would hold."""
    log: list[Entry] = []
    running: dict[int, tuple[dict[str, Any], int]] = {}
    for op, which in ops:
        if op == "ask" or not running:
            if len(running) < 2:
                new = sampler.ask()
                running[new.number] = new.params, 0
                log.append({"ask": new.number, "params": new.params, "encoded": new.encoded})
            continue
        number = sorted(running)[which % len(running)]
        params, epoch = running[number]
        if op == "report":
            running[number] = params, epoch + 1
            log.append({"report": number, "epoch": epoch + 1, "metrics": metrics(study, params, epoch + 1)})
        else:
            del running[number]
            log.append({"tell": number, "state": str(op), "metrics": metrics(study, params, max(epoch, 1))})
        follow(sampler, log[-1])
    return log


def follow(sampler: OptunaSearcher, entry: Entry) -> None:
    if "report" in entry:
        sampler.report(entry["report"], entry["epoch"], entry["metrics"])
    elif "tell" in entry:
        sampler.tell(entry["tell"], State(entry["state"]), entry["metrics"])


def replayed(sampler: OptunaSearcher, log: list[Entry]) -> None:
    for entry in json.loads(json.dumps(log)):
        if "ask" in entry:
            sampler.recall(Suggestion(entry["ask"], entry["params"], entry["encoded"]))
        else:
            follow(sampler, entry)


def asked_next(study: Study, sampler: OptunaSearcher, trials: int = 5) -> list[Suggestion]:
    out = []
    for _ in range(trials):
        out.append(sampler.ask())
        told = metrics(study, out[-1].params, 4)
        sampler.tell(out[-1].number, State.COMPLETE, told)
    return out


def check(study: Study, ops: list[tuple[str, int]], cut: int, earlier: list[EarlierTrial]) -> None:
    uninterrupted = OptunaSearcher(study, {"earlier": [each.model_dump() for each in earlier]})
    log = live(study, uninterrupted, ops)
    cut %= len(log) + 1
    resumed = OptunaSearcher(study, json.loads(json.dumps(uninterrupted.state)))
    replayed(resumed, log[:cut])
    for entry in log[cut:]:
        if "ask" in entry:
            assert resumed.ask() == Suggestion(entry["ask"], entry["params"], entry["encoded"])
        else:
            follow(resumed, entry)
    assert asked_next(study, resumed) == asked_next(study, uninterrupted)


@pytest.mark.parametrize("changes", [{}, KNOWN | LIMIT, KNOWN | TWO], ids=["plain", "known", "two"])
@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "nsga2"])
@settings(derandomize=True, deadline=None, max_examples=20)
@given(ops=OPS, cut=st.integers(0, 1000), warm=st.booleans())
def test_after_any_history_cut_anywhere_the_next_trials_are_those_of_the_uninterrupted_search(
    name: str, changes: dict[str, Any], ops: list[tuple[str, int]], cut: int, warm: bool
) -> None:
    study = toy_study(search=SPACE, sampler={"name": name, "seed": 5, "startup": 3}, trials=40, **changes)
    check(study, ops, cut, EARLIER if warm else [])


@pytest.mark.slow
def test_a_gaussian_process_of_two_objectives_goes_on_too() -> None:
    study = toy_study(search=SPACE, sampler={"name": "gp", "seed": 5, "startup": 2}, trials=40, **TWO)
    uninterrupted, resumed = OptunaSearcher(study), OptunaSearcher(study)
    replayed(resumed, live(study, uninterrupted, [("ask", 0), ("ask", 0), *[(str(State.COMPLETE), 0)] * 2]))
    assert asked_next(study, resumed, 2) == asked_next(study, uninterrupted, 2)


def test_an_interrupted_trial_still_runs_for_those_that_are_asked_next() -> None:
    study = toy_study(sampler={"name": "tpe", "seed": 5, "startup": 2}, trials=40)
    ended, resumed = OptunaSearcher(study), OptunaSearcher(study)
    log = live(study, ended, [("ask", 0), (State.COMPLETE, 0)] * 4 + [("ask", 0)])
    ended.tell(4, State.INTERRUPTED, {})
    replayed(resumed, log)
    assert asked_next(study, ended) == asked_next(study, resumed)
    resumed.tell(4, State.COMPLETE, {"dev/loss": 0.1})


def test_a_journal_that_lacks_a_trial_is_one_line() -> None:
    with pytest.raises(StudyError, match="trial 0 is missing before trial 1; restore the file"):
        OptunaSearcher(toy_study(default=DEFAULT, search=SPACE)).recall(Suggestion(1, {}, {}))


@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "nsga2"])
def test_the_randomness_of_a_trial_is_of_the_seed_and_its_number_alone(name: str) -> None:
    """One that failed leaves no trace for a sampler that is still in its random start."""
    study = toy_study(sampler={"name": name, "seed": 5, "startup": 10}, trials=40)
    one, other = OptunaSearcher(study), OptunaSearcher(study)
    one.tell(one.ask().number, State.COMPLETE, {"dev/loss": 0.1})
    other.tell(other.ask().number, State.COMPLETE, {"dev/loss": 0.9})
    assert [one.ask().params for _ in range(4)] == [other.ask().params for _ in range(4)]


SCRIPT = """
import json, sys
from tests.tuner.searchers.test_optuna_resume import *
log = json.load(sys.stdin)
print(json.dumps({name: go_on(name, log[name]) for name in log}))
"""


def constrained(name: str) -> Study:
    sampler = {"name": name, "seed": 5, "startup": 3}
    return toy_study(search=SPACE, sampler=sampler, trials=40, **(KNOWN | LIMIT))


def go_on(name: str, log: list[Entry]) -> list[dict[str, Any]]:
    """The encoded of the next trials after an earlier session's journal."""
    sampler = OptunaSearcher(constrained(name))
    replayed(sampler, log)
    return [each.encoded for each in asked_next(constrained(name), sampler, 2)]


@pytest.mark.parametrize(
    "names", [["tpe", "random", "qmc", "nsga2"], pytest.param(["gp"], marks=pytest.mark.slow)], ids=len
)
def test_another_process_goes_on_with_the_same_trials(names: list[str]) -> None:
    ops = [("ask", 0), ("ask", 0), ("report", 0), (str(State.COMPLETE), 0), (str(State.STOPPED), 0)] * 2
    ops += [("ask", 0), (str(State.COMPLETE), 0)] * 2 + [("ask", 0)]
    logs, expected = {}, {}
    for name in names:
        uninterrupted = OptunaSearcher(constrained(name))
        logs[name] = live(constrained(name), uninterrupted, ops)
        expected[name] = [each.encoded for each in asked_next(constrained(name), uninterrupted, 2)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(logs),
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == expected
