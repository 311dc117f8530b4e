"""The tutorial's custom network, data and trial function, typed as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.docs.support.tutorial import blocks, commands, run_all

pytestmark = pytest.mark.slow
NETWORKS = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FSD_STORE", str(tmp_path / "features"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_custom_network(here, tiny_corpus, capsys):
    (here / "build/demo").mkdir(parents=True)
    (here / "build/demo/corpus").symlink_to(tiny_corpus)
    (code,) = re.findall(r"```python\n(.*?)```", NETWORKS, re.DOTALL)
    (study,) = blocks("A custom network", "yaml")
    (here / "my_networks.py").write_text(code)
    (here / "small.yaml").write_text(study)
    try:
        run_all("A custom network", "cuts", "check")
    finally:
        sys.modules.pop("my_networks", None)
    printed = capsys.readouterr().out
    table = blocks("A custom network")[1]
    assert all(row in printed for row in table.splitlines() if row[2].isdigit())
    assert "ok: small: 200 sampled configurations built, 4 extremes tried for a step" in printed


def test_your_data(here, tiny_corpus, capsys):
    manifest = blocks("Your data")[0]
    (study,) = blocks("Your data", "yaml")
    (here / "mycorpus/audio").mkdir(parents=True)
    (here / "mycorpus/manifest.csv").write_text(manifest)
    (here / "own.yaml").write_text(study)
    names = [line.split(",")[0] for line in manifest.splitlines()[1:]]
    files = sorted((tiny_corpus / "LA/ASVspoof2019_LA_train/flac").iterdir())
    for name, file in zip(names, files, strict=False):
        soundfile.write(here / "mycorpus" / name, *soundfile.read(file))
    run_all("Your data", "data", "check")
    printed = capsys.readouterr().out
    assert "0 errors, 0 warnings" in printed
    assert "ok: own: 200 sampled configurations built" in printed


def test_a_custom_trial_function(here):
    (code,), (study,) = (blocks("A custom trial function", kind) for kind in ("python", "yaml"))
    (here / "parabola.py").write_text(code)
    (here / "parabola.yaml").write_text(study)
    environment = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    for words in commands("A custom trial function", "search", "report"):
        start = "import sys; sys.path.pop(0); from tuner.commands.app import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", start, *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
    assert (here / "runs/parabola/report.html").stat().st_size > 10_000
