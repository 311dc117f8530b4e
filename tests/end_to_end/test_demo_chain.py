"""The whole chain as a user types it, on real audio: search on Ray, export, train again, evaluate, score."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pandas import DataFrame

from fsd_model.detector.detector import Detector
from fsd_model.scores.eer_by_group import pooled_eer
from fsd_model.scores.score_file import read_scores
from fsd_model.training.resource_metrics import is_measured
from tests.docs.support.tutorial import run_all
from tuner.study.load import load_study

pytestmark = pytest.mark.slow


def fsd_tuner(corpus: Path, store: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FSD_DEMO_DATA": str(corpus), "FSD_DEMO_STORE": str(store)}
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "tuner", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=240, env=environment, cwd=store
    )


@pytest.fixture(scope="module")
def searched(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Folder of a finished smoke search, the feature store, and what the search printed."""
    store = tmp_path_factory.mktemp("store")
    out = tmp_path_factory.mktemp("study") / "out"
    done = fsd_tuner(tiny_corpus, store, "search", "smoke", "--out", out, "--set", "concurrency=1")
    assert done.returncode == 0, done.stderr
    return out, store, done.stdout


def numbers(out: Path) -> list[dict[str, Any]]:
    """What a search did, without what it measured of the machine."""
    kept = []
    for line in (out / "journal.jsonl").read_text().splitlines():
        event = json.loads(line)
        for measured in ("time", "seconds", "search"):  # the last is an id, another one in every search
            event.pop(measured, None)
        if "metrics" in event:
            event["metrics"] = {k: v for k, v in event["metrics"].items() if not is_measured(k)}
        kept.append(event)
    return kept


def test_the_winner_is_the_best_trial_of_the_journal(searched):
    out, _, printed = searched
    events = numbers(out)
    last = {e["trial"]: e["metrics"]["dev/eer_best"] for e in events if e["event"] == "trial_reported"}
    complete = {e["trial"] for e in events if e["event"] == "trial_ended" and e["state"] == "complete"}
    assert 0 in complete
    best = load_study(str(out / "best.yaml"))
    assert best.origin["value"] == min(last[trial] for trial in complete)
    assert f"best        trial {best.origin['trial']}: dev/eer_best" in printed
    assert "default     trial 0: dev/eer_best" in printed
    for path in (out / "best.yaml", out / "detector"):
        assert str(path) in printed


def test_configurations_differ_and_so_do_their_numbers(searched):
    events = numbers(searched[0])
    params = [json.dumps(e["params"]) for e in events if e["event"] == "trial_started"]
    losses = [
        e["metrics"]["train/loss"] for e in events if e["event"] == "trial_reported" and e["epoch"] == 1
    ]
    assert len(set(params)) == len(set(losses)) == 4


@pytest.mark.long
def test_the_same_seed_gives_the_same_search_to_the_last_bit(searched, tiny_corpus, tmp_path):
    out, store, _ = searched
    again = tmp_path / "again"
    one = ("--no-forecast", "--set", "concurrency=1", "--trials", "2")
    done = fsd_tuner(tiny_corpus, store, "search", "smoke", "--out", again, *one)
    assert done.returncode == 0, done.stderr
    events = [[event for event in numbers(folder) if event.get("trial") in (0, 1)] for folder in (again, out)]
    assert len(events[0]) > 6
    assert events[0] == events[1]
    for trial in ("0000", "0001"):
        ours, theirs = (
            sorted(folder.glob(f"trials/{trial}/*/export/detector/weights.safetensors"))[-1]
            for folder in (again, out)
        )
        assert ours.read_bytes() == theirs.read_bytes()


def test_training_the_best_again_gives_the_same_eer(searched, tiny_corpus):
    out, store, _ = searched
    done = fsd_tuner(tiny_corpus, store, "train", out / "best.yaml")
    assert done.returncode == 0, done.stderr
    assert "equals the recorded value" in done.stdout


def test_evaluating_scores_the_eval_split_once(searched, tiny_corpus):
    out, store, _ = searched
    first = fsd_tuner(tiny_corpus, store, "evaluate", out / "detector")
    assert first.returncode == 0, first.stderr
    report = json.loads((out / "detector/eval.json").read_text())
    scores = read_scores(out / "detector/eval.scores.txt")
    assert report["eer"] == pooled_eer(scores).rate
    assert set(report["eer_by_attack"]) == set(scores.attacks) - {"-"}
    assert not set(report["eer_by_attack"]) & {"A01", "A02", "A03", "A04", "A05", "A06"}
    stamp = (out / "detector/eval.scores.txt").stat().st_mtime_ns
    second = fsd_tuner(tiny_corpus, store, "evaluate", out / "detector")
    assert second.stdout == first.stdout
    assert (out / "detector/eval.scores.txt").stat().st_mtime_ns == stamp


def test_scoring_files_prints_one_line_each_and_names_the_bad_one(searched, tiny_corpus, tmp_path):
    out, store, _ = searched
    fsd_tuner(tiny_corpus, store, "evaluate", out / "detector")
    files = sorted((tiny_corpus / "LA/ASVspoof2019_LA_eval/flac").iterdir())[:3]
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    given = (out / "detector", files[0], tmp_path / "bad.wav", *files[1:])
    done = fsd_tuner(tiny_corpus, store, "score", *given, "--skip-bad")
    assert done.returncode == 0, done.stderr
    told, *rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    recorded = dict(zip(*_columns(out / "detector"), strict=True))
    assert [row[0] for row in rows] == [str(file) for file in files]
    for row, file in zip(rows, files, strict=True):
        found = dict(zip(told, row, strict=True))
        assert float(found["score"]) == pytest.approx(recorded[file.stem], abs=1e-3)
        assert (found["decision"] == "bonafide") == (float(found["llr"]) >= -0.6418539)
    assert "bad.wav" in done.stderr
    assert "3 files in " in done.stderr
    refused = fsd_tuner(tiny_corpus, store, "score", *given)
    assert refused.returncode == 2
    assert "--skip-bad" in refused.stderr


def test_the_best_small_exit_is_exported_and_scores_as_dev_said(searched, tiny_corpus, tmp_path):
    out, store, printed = searched
    rows = json.loads((out / "exits.json").read_text())
    small = [row for row in rows if row["parameters"] <= 100e3]
    best = min(row["error"] for row in small)
    assert f"{len(rows)} deployable models" in printed
    done = fsd_tuner(tiny_corpus, store, "export", out, "--max-params", "100k", "--out", tmp_path / "small")
    assert done.returncode == 0, done.stderr
    card = Detector.load(tmp_path / "small").card
    assert card.dev.eer == best
    assert card.exits.use == "exit"
    assert card.parameters in {row["parameters"] for row in small if row["error"] == best}
    file = next((tiny_corpus / "LA/ASVspoof2019_LA_dev/flac").iterdir())
    scored = fsd_tuner(tiny_corpus, store, "score", tmp_path / "small", file)
    assert scored.returncode == 0, scored.stderr
    assert str(file) in scored.stdout


def test_early_exit_is_shown_by_confidence_and_exported(searched, tiny_corpus, tmp_path):
    out, store, _ = searched
    done = fsd_tuner(tiny_corpus, store, "exits", out, "--trial", "0", "--out", tmp_path / "curve")
    assert done.returncode == 0, done.stderr
    curve = json.loads((tmp_path / "curve/trade_off.json").read_text())
    last = [e["metrics"] for e in numbers(out) if e["event"] == "trial_reported" and e["trial"] == 0][-1]
    assert curve[0]["error"] == pytest.approx(last["dev/eer_best_exit1"])
    assert curve[-1]["error"] == pytest.approx(last["dev/eer_best_exit4"])
    assert (curve[0]["multiply_adds"], curve[-1]["confidence"]) == (last["exit1/multiply_adds"], "inf")
    assert (tmp_path / "curve/trade_off.png").read_bytes().startswith(b"\x89PNG")
    confidence = str(curve[len(curve) // 2]["confidence"])
    arguments = ("--trial", "0", "--early", confidence, "--out", tmp_path / "early")
    done = fsd_tuner(tiny_corpus, store, "export", out, *arguments)
    assert done.returncode == 0, done.stderr
    assert f"early exit {confidence} of trial 0: error {curve[len(curve) // 2]['error']:.6g}" in done.stdout
    assert Detector.load(tmp_path / "early").card.dev.eer == curve[len(curve) // 2]["error"]


def test_the_tutorial_leads_from_the_search_to_a_decision(
    searched, tiny_corpus, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build/demo").mkdir(parents=True)
    (tmp_path / "build/demo/study").symlink_to(searched[0])
    (tmp_path / "my.flac").symlink_to(next((tiny_corpus / "LA/ASVspoof2019_LA_dev/flac").iterdir()))
    run_all("The demo", "report", "exits", "export", "score", "windows")
    printed = capsys.readouterr().out
    assert (searched[0] / "report.html").stat().st_size > 10_000
    page = (Path(__file__).parents[2] / "docs/report.md").read_text()
    told = {key.split("-")[0] for key in json.loads((searched[0] / "report.json").read_text())}
    assert all(f"`{key}`" in page or f"`{key}-`" in page for key in told - {"format"})
    assert "early exit of trial" in printed
    assert printed.split("chosen      exit ")[1].split("exported    ")[1].startswith("small\n")
    assert printed.count("file\tscore\tllr\tspoof_probability\tdecision\nmy.flac\t") == 2


def _columns(detector: Path) -> tuple[list[str], list[float]]:
    scores = read_scores(detector / "eval.scores.txt")
    return list(scores.utterances), scores.values.tolist()


def test_mlflow_has_what_each_trial_left_and_the_winner_as_a_model(searched, tiny_corpus, monkeypatch):
    from mlflow import MlflowClient, pyfunc

    from fsd_model.data.audio import read_audio
    from fsd_model.detector.detector import Detector

    out, _, _ = searched
    client = MlflowClient(f"sqlite:///{out / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'smoke'")
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    assert len(runs) == 4
    for run in runs:
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert files == {"config.yaml", "dev.scores.txt", "det.png", "scores.png"}
        scores = read_scores(Path(client.download_artifacts(run.info.run_id, "dev.scores.txt")))
        assert pooled_eer(scores).rate == run.data.metrics["best/dev/eer"] == run.data.metrics["dev/eer_best"]
        attacks = {name for name in run.data.metrics if name.startswith("dev/eer_attack_")}
        assert attacks == {f"dev/eer_attack_{attack}" for attack in set(scores.attacks) - {"-"}}
        (used,) = run.inputs.dataset_inputs
        assert used.dataset.name == f"{tiny_corpus.name} LA"
        assert json.loads(used.dataset.profile)["digest"].startswith(used.dataset.digest)
    champion = client.get_model_version_by_alias("smoke", "champion")
    complete = [run for run in runs if run.data.tags["state"] == "complete"]
    ordered = ("dev/eer_best", "dev/cllr_best", "dev/loss_best")  # the study's metric and its ties
    best = min(complete, key=lambda run: [run.data.metrics[name] for name in ordered])
    assert champion.run_id == best.info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{out / 'mlflow.db'}")
    model, detector = pyfunc.load_model("models:/smoke@champion"), Detector.load(out / "detector")
    files = sorted((tiny_corpus / "LA/ASVspoof2019_LA_dev/flac").iterdir())[:3]
    answer = model.predict(DataFrame({"waveform": [read_audio(file).tolist() for file in files]}))
    assert answer["score"].tolist() == [detector.score_file(file) for file in files]
    assert answer["decision"].tolist() == [detector.decide(score) for score in answer["score"]]
