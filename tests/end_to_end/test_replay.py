"""The study of the replay track as a user types it, on the tiny replay corpus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsd_model.corpus.replay.scene import ATTACKS

pytestmark = pytest.mark.slow

SMALL = (
    "search={}",
    "default={}",
    "trials=1",
    "epochs=2",
    "scheduler.grace_period=1",
    "settings.network.family=ecanet",
    "settings.network.depth=9",
    "settings.batch_size=16",
    "settings.runtime.store=features",
)


def fsd_tuner(corpus: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FSD_DATA": str(corpus)}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.run(
        [sys.executable, "-m", "tuner", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=environment,
        cwd=folder,
    )


def test_the_study_fits_the_corpus(tiny_replay: Path, tmp_path: Path) -> None:
    done = fsd_tuner(tiny_replay, tmp_path, "check", "paper_pa", "--set", "settings.runtime.store=features")
    assert done.returncode == 0, done.stderr
    assert "ok: paper-pa: 200 sampled configurations built" in done.stdout


def test_a_detector_is_trained_and_evaluated_by_attack(tiny_replay: Path, tmp_path: Path) -> None:
    changes = [argument for setting in SMALL for argument in ("--set", setting)]
    done = fsd_tuner(tiny_replay, tmp_path, "train", "paper_pa", *changes, "--out", "out")
    assert done.returncode == 0, done.stderr
    detector = tmp_path / "out" / "detector"
    evaluated = fsd_tuner(tiny_replay, tmp_path, "evaluate", str(detector))
    assert evaluated.returncode == 0, evaluated.stderr
    report = json.loads((detector / "eval.json").read_text())
    assert set(report["eer_by_attack"]) == set(ATTACKS)
    assert len((detector / "eval.scores.txt").read_text().splitlines()) == 51
