"""Nothing that a search or a training imports can reach the evaluation split."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fsd_model"
LOCKED = {"fsd_model.evaluation_data", "fsd_model.evaluation"}


def imports_of(module: str) -> set[str]:
    path = PACKAGE / (module.removeprefix("fsd_model.").replace(".", "/") + ".py")
    return imports_in(path) if path.is_file() else set()


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
    todo = {module}
    while todo:
        current = todo.pop()
        seen.add(current)
        todo |= imports_of(current) - seen
    return seen


def test_the_trial_reaches_training_but_not_evaluation():
    modules = reachable("fsd_model.trial")
    assert {"fsd_model.trainer", "fsd_model.dataset", "fsd_model.export"} <= modules
    assert not modules & LOCKED


def test_the_lock_would_notice():
    assert reachable("fsd_model.evaluation") >= LOCKED


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
    assert naming == ["evaluation_data.py"]


def test_comparing_scores_opens_no_split():
    modules = reachable("fsd_model.compare_files")
    assert {"fsd_model.trials", "fsd_model.bootstrap"} <= modules
    assert not modules & LOCKED


def test_only_evaluation_and_the_check_of_data_open_it():
    importing = {p.stem for p in PACKAGE.rglob("*.py") if "fsd_model.evaluation_data" in imports_in(p)}
    assert importing == {"evaluation", "data_check"}
