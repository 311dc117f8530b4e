"""What a search left, in a form in which two of them can be compared, and what must hold of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from tests.tuner.support.studies import journal
from tuner.tracking.address import store_uri
from tuner.tracking.tracking import TRIALS_FILTER, find_experiment

METRIC = "dev/loss"


@dataclass(frozen=True)
class ArtifactReader:
    """What is the same however often a search was interrupted.

    Attributes:
        trials: number -> (params it began with, state, reason, last report).
        reports: number -> (report, metrics) in their order.
        runs: trial's name in MLflow -> (status, state, parameters, metric -> sorted (step, value)), without
            what was measured (`cost/`).
    """

    trials: dict[int, tuple[Any, ...]]
    reports: dict[int, list[tuple[int, dict[str, Any]]]]
    runs: dict[str, tuple[Any, ...]]


def left(out: Path, moves: bool = False) -> ArtifactReader:
    """Read a search's folder and its MLflow store, whose every trial and report must be there once.

    Args:
        out: the folder.
        moves: trials may have gone back to another one's state, and reported once more from there.
    """
    events = journal(out)
    begun = [each for each in events if each["event"] == "trial_started"]
    assert [each["trial"] for each in begun] == list(range(len(begun)))
    assert len({str(each["params"]) for each in begun}) == len(begun)  # no suggestion is repeated
    ends = [e for e in events if e["event"] == "trial_ended" and e["state"] != "interrupted"]
    assert Counter(each["trial"] for each in ends) == Counter(range(len(begun)))
    reports: dict[int, list[tuple[int, dict[str, Any]]]] = {each["trial"]: [] for each in begun}
    for each in events:
        if each["event"] == "trial_reported":
            reports[each["trial"]].append((each["epoch"], each["metrics"]))
    if not moves:
        assert all([n for n, _ in told] == list(range(1, len(told) + 1)) for told in reports.values())
    trials = {
        end["trial"]: (
            begun[end["trial"]]["params"],
            end["state"],
            end["reason"].replace(str(out), ""),
            end["epoch"],
        )
        for end in ends
    }
    runs = _runs(out)
    for number, (_, state, _, _) in trials.items():
        _, tracked, _, histories = runs[f"{number:04d}"]
        finite = sorted((n, metrics[METRIC]) for n, metrics in reports[number] if metrics[METRIC] != "nan")
        assert (tracked, histories.get(METRIC, [])) == (state, finite)
    return ArtifactReader(dict(sorted(trials.items())), reports, runs)


def _runs(out: Path) -> dict[str, tuple[Any, ...]]:
    client = MlflowClient(tracking_uri=store_uri(out))
    experiment = find_experiment(out, "toy")
    (study,) = client.search_runs([experiment], "tags.kind = 'study'")
    assert study.info.status == "FINISHED"
    found: dict[str, tuple[Any, ...]] = {}
    for run in client.search_runs([experiment], TRIALS_FILTER):
        points = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        histories = {
            key: sorted((p.step, p.value) for p in points[key]) for key in points if key[:5] != "cost/"
        }
        number = run.data.tags["trial_id"]
        assert number not in found
        assert run.info.status != "RUNNING"
        found[number] = (run.info.status, run.data.tags["state"], run.data.params, histories)
    return dict(sorted(found.items()))
