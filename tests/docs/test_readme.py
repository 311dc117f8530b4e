"""The README's example of another trial function, typed as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tuner.study.load import load_study

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.slow


def blocks(section: str) -> list[str]:
    """The code blocks of one section."""
    text = README.split(f"## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```(?:python|yaml)\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    trial, study, library = blocks("Tune something else")
    for name, text in (("digits.py", trial), ("digits.yaml", study), ("library.py", library)):
        (folder / name).write_text(text)
    return folder


def run(folder: Path, *command: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_is_about_twenty_lines() -> None:
    assert len(blocks("Tune something else")[0].strip().splitlines()) <= 20


def test_the_example_runs_from_the_command_line(folder: Path) -> None:
    start = "import sys; sys.path.pop(0); from tuner.commands.app import main; main()"
    out = run(folder, "-c", start, "search", "digits.yaml", "--out", "runs/digits")
    assert "best        trial" in out
    best = load_study(str(folder / "runs" / "digits" / "best.yaml"))
    assert best.origin is not None
    assert best.origin["value"] < 0.15  # guessing is 0.9


def test_the_example_runs_as_a_library(folder: Path) -> None:
    value, params = run(folder, "library.py").splitlines()[-1].split(" ", 1)
    assert float(value) < 0.15
    assert "alpha" in params
