"""The README's study and library example, typed as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.support.tutorial import blocks as tutorial_blocks
from tuner.study.load import load_study

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(section: str) -> list[str]:
    """The code blocks of one section."""
    text = README.split(f"## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```(?:python|yaml)\n(.*?)```", text, re.DOTALL)


def test_the_study_is_valid(tmp_path: Path) -> None:
    (study,) = blocks("A study")
    (tmp_path / "study.yaml").write_text(study)
    loaded = load_study(str(tmp_path / "study.yaml"))
    assert loaded.default is not None
    assert set(loaded.default) == set(loaded.search)


@pytest.mark.slow
def test_the_library_example_runs(tmp_path: Path) -> None:
    title, (library,) = "A custom trial function", blocks("The library")
    (tmp_path / "parabola.py").write_text(tutorial_blocks(title, "python")[0])
    (tmp_path / "parabola.yaml").write_text(tutorial_blocks(title, "yaml")[0])
    (tmp_path / "library.py").write_text(f"{library}print(len(table))\n")
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "library.py"], cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    best, rows = done.stdout.splitlines()[-2:]
    assert float(best.split(" ", 1)[0]) < 0.5
    assert "'x'" in best
    assert int(rows) == 20
