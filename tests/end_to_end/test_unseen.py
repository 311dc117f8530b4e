"""Unseen attacks and control arms as a user types them, on real audio: search, export, ablation, opening."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fsd_model.evaluation.access_log import read_openings
from tests.end_to_end.test_demo_chain import fsd_tuner
from tuner.study.load import load_study

pytestmark = pytest.mark.slow

UNSEEN = [
    "settings.objective={name: unseen-attacks, groups: {vocoders: [A01, A03], others: [A02, A04, A05]}}",
    "metric={name: unseen/eer_mean, mode: min, ties: [unseen/cllr_mean]}",
    "scheduler={name: race, value: unseen/eer_fold}",
    "epochs=1",
]


def options(*settings: str) -> list[str]:
    return [part for each in settings for part in ("--set", each)]


@pytest.fixture(scope="module")
def searched(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Folder of a finished search by unseen attacks, the feature store, and what it printed."""
    store = tmp_path_factory.mktemp("store")
    out = tmp_path_factory.mktemp("study") / "out"
    few = ("--no-forecast", "--trials", "3")
    done = fsd_tuner(tiny_corpus, store, "search", "smoke", "--out", out, *few, *options(*UNSEEN))
    assert done.returncode == 0, done.stderr
    return out, store, done.stdout


@pytest.mark.long
def test_the_winner_has_the_lowest_mean_over_its_folds(searched: tuple[Path, Path, str]) -> None:
    out, _, printed = searched
    events = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    last = {e["trial"]: e["metrics"] for e in events if e["event"] == "trial_reported" and e["epoch"] == 3}
    best = load_study(str(out / "best.yaml"))
    assert best.reports == 3
    assert best.origin is not None
    assert best.origin["value"] == min(metrics["unseen/eer_mean"] for metrics in last.values())
    for metrics in last.values():
        folds = [metrics["unseen/eer/vocoders"], metrics["unseen/eer/others"]]
        assert metrics["unseen/eer_mean"] == pytest.approx(sum(folds) / 2)
        assert metrics["unseen/eer_worst"] == max(folds)
    assert "after 3/3 reports" in printed


@pytest.mark.long
def test_trained_again_it_is_the_same(searched: tuple[Path, Path, str], tiny_corpus: Path) -> None:
    out, store, _ = searched
    again = fsd_tuner(tiny_corpus, store, "train", out / "best.yaml")
    assert again.returncode == 0, again.stderr
    assert "equals the recorded value" in again.stdout


def test_a_metric_of_the_other_objective_is_refused_before_the_search(
    tiny_corpus: Path, tmp_path: Path
) -> None:
    wrong = options(*UNSEEN, "metric.name=dev/eer_best")
    done = fsd_tuner(tiny_corpus, tmp_path, "search", "smoke", "--out", tmp_path / "no", *wrong)
    assert done.returncode == 2
    assert "metric.name: with these settings the trial does not report dev/eer_best" in done.stderr
    assert not (tmp_path / "no").exists()


@pytest.mark.long
def test_its_control_arms_run_and_say_what_they_show(
    searched: tuple[Path, Path, str], tiny_corpus: Path
) -> None:
    out, store, _ = searched
    done = fsd_tuner(tiny_corpus, store, "ablate", out / "best.yaml", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    content = json.loads((out / "ablation" / "ablation.json").read_text())
    assert list(content["values"]) == ["baseline", "deep supervision", "soft only", "feature only", "both"]
    assert all(set(runs) == {"2", "3"} for runs in content["values"].values())
    assert (out / "ablation" / "ablation.png").is_file()
    assert "both minus deep supervision" in done.stdout


@pytest.mark.long
def test_each_opening_of_eval_is_counted(searched: tuple[Path, Path, str], tiny_corpus: Path) -> None:
    out, store, _ = searched
    for _ in range(2):  # the second time shows the earlier numbers and opens nothing
        done = fsd_tuner(tiny_corpus, store, "evaluate", out / "detector")
        assert done.returncode == 0, done.stderr
        assert "openings of eval so far: 1, detectors: 1" in done.stdout
    assert len(read_openings(out)) == 1
