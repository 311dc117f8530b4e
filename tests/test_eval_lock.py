"""Nothing that a search or a training imports can reach the evaluation split."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "fsd_model"
LOCKED = {"fsd_model.evaluation_data", "fsd_model.evaluation"}


def imports_of(module: str) -> set[str]:
    path = PACKAGE / (module.removeprefix("fsd_model.").replace(".", "/") + ".py")
    if not path.is_file():
        return set()
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


def test_no_other_module_names_the_evaluation_protocol():
    naming = [p.name for p in PACKAGE.rglob("*.py") if "cm.eval" in p.read_text()]
    assert naming == ["evaluation_data.py"]


def test_comparing_scores_opens_no_split():
    modules = reachable("fsd_model.compare_files")
    assert {"fsd_model.trials", "fsd_model.bootstrap"} <= modules
    assert not modules & LOCKED
