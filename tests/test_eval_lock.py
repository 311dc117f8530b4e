"""Nothing that a search or a training imports can reach the evaluation split.

Two checks. One follows the imports in the source, those inside functions too, and with a module the
`__init__` of every package above it, which importing the module runs. The other imports the trial in a fresh
process and asks what was loaded.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fsd_model"
LOCKED = {"fsd_model.evaluation.eval_split", "fsd_model.evaluation.final_evaluation"}
PROBE = "import sys, fsd_model.trial; print(*(name for name in sys.modules if name.startswith('fsd_model')))"


def file_of(module: str) -> Path | None:
    path = PACKAGE.parent / module.replace(".", "/")
    found = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return found[0] if found else None


def with_parents(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts) + 1)}


def imports_in(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("fsd_model")}


def reachable(module: str) -> set[str]:
    seen: set[str] = set()
    todo = with_parents(module)
    while todo:
        current = todo.pop()
        file = file_of(current)
        if file is not None:
            seen.add(current)
            todo |= {each for name in imports_in(file) for each in with_parents(name)} - seen
    return seen


def test_the_trial_reaches_training_but_not_evaluation():
    modules = reachable("fsd_model.trial")
    assert {
        "fsd_model.training.trainer",
        "fsd_model.data.training_splits",
        "fsd_model.training.export",
    } <= modules
    assert not modules & LOCKED


def loaded_with_the_trial(root: Path) -> set[str]:
    """Modules of the package under `root` that a fresh process has loaded after `import fsd_model.trial`."""
    environment = os.environ | {"PYTHONPATH": str(root)}
    run = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, cwd=root, env=environment
    )
    return set(run.stdout.split())


def test_importing_the_trial_loads_nothing_of_the_evaluation():
    loaded = loaded_with_the_trial(PACKAGE.parent)
    assert "fsd_model.training.trainer" in loaded
    assert not {name for name in loaded if name.startswith("fsd_model.evaluation")}


def test_the_lock_would_notice():
    assert reachable("fsd_model.evaluation.final_evaluation") >= LOCKED


@pytest.mark.parametrize("init", ["__init__.py", "data/formats/__init__.py", "trial/__init__.py"])
def test_an_import_planted_in_an_init_opens_both_locks(init, tmp_path, monkeypatch):
    copy = tmp_path / "fsd_model"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("recordings", "__pycache__"))
    planted = (copy / init).read_text() + "\nfrom fsd_model.evaluation.final_evaluation import evaluate\n"
    (copy / init).write_text(planted)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", copy)
    assert reachable("fsd_model.trial") >= LOCKED
    if init == "__init__.py":  # four seconds each: one fresh process is enough
        assert loaded_with_the_trial(tmp_path) >= LOCKED


def test_the_lock_follows_the_init_of_a_package(tmp_path, monkeypatch):
    (tmp_path / "fsd_model" / "deep").mkdir(parents=True)
    (tmp_path / "fsd_model" / "__init__.py").write_text("from fsd_model.locked import secret\n")
    for name in ("locked.py", "deep/__init__.py", "deep/leaf.py"):
        (tmp_path / "fsd_model" / name).write_text("")
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "fsd_model")
    assert "fsd_model.locked" in reachable("fsd_model.deep.leaf")


EVALUATION_FILES = (
    "cm.eval",  # ASVspoof 2019
    "ASVspoof2021_",
    "trial_metadata",
    "eval.track_1",  # ASVspoof 5
    "flac_E",
    "meta.csv",  # In-the-Wild
)


@pytest.mark.parametrize("name", EVALUATION_FILES)
def test_no_other_module_names_the_evaluation_protocol(name):
    naming = [p.name for p in PACKAGE.rglob("*.py") if name in p.read_text()]
    assert naming == ["eval_split.py"]


def test_comparing_scores_opens_no_split():
    modules = reachable("fsd_model.evaluation.comparison")
    assert {"fsd_model.scores.utterance_table", "fsd_model.metrics.bootstrap"} <= modules
    assert not modules & LOCKED


def test_only_evaluation_and_the_check_of_data_open_it():
    importing = {p.stem for p in PACKAGE.rglob("*.py") if "fsd_model.evaluation.eval_split" in imports_in(p)}
    assert importing == {"final_evaluation", "check"}
