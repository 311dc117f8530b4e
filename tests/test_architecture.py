"""Imports point one way, frameworks stay at the border, files and functions stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("fsd_model/**/*.py"), *ROOT.glob("tuner/**/*.py")])
ALL = sorted([*FILES, *ROOT.glob("tests/**/*.py")])
MAX_FILE, MAX_FUNCTION = 250, 45

# A package of fsd_model imports itself and packages of earlier rows, nothing else.
LAYERS = (
    ("errors", "settings", "labels"),
    ("atomic_write", "progress"),
    ("metrics", "data", "distributed", "corpus"),
    ("scores", "features"),
    ("augmentation", "networks"),
    ("distillation", "detector"),
    ("training", "evaluation", "deployment", "serving"),
    ("stacked", "data_check"),
    ("trial", "commands"),
    ("cli",),
)


def imports(file: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            found |= {str(arg.value).split(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def functions(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def importers(package: str, of: str) -> list[str]:
    return sorted(
        file.name for file in FILES if package in imports(file) and of in file.relative_to(ROOT).parts
    )


@pytest.mark.parametrize("package", ["tuner", "ray", "optuna", "mlflow"])
def test_the_trainer_knows_nothing_of_the_search(package: str) -> None:
    assert importers(package, "fsd_model") == []


@pytest.mark.parametrize("package", ["fsd_model", "torch", "torchaudio", "soundfile", "search_spaces"])
def test_the_search_knows_nothing_of_speech(package: str) -> None:
    assert importers(package, "tuner") == []


@pytest.mark.parametrize(
    ("package", "files"),
    [
        ("optuna", ["importance.py", "sampler.py", "sampler_kinds.py"]),
        (
            "mlflow",
            ["tracking_client.py", "tracking_files.py", "tracking_model.py", "tracking_runs.py"],
        ),
    ],
)
def test_a_framework_stays_in_its_files(package: str, files: list[str]) -> None:
    assert importers(package, "tuner") == files


def test_the_check_of_imports_sees_imports() -> None:
    assert "ray" in imports(ROOT / "tuner" / "cluster.py")
    files = ["cli.py", "commands_cluster.py", "commands_exits.py", "commands_report.py", "submit.py"]
    assert importers("typer", "tuner") == files


@pytest.mark.parametrize("file", ALL, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_are_small(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").count("\n")
    limit = MAX_FILE if file in FILES else 2 * MAX_FILE
    assert lines <= limit, f"{file} has {lines} lines"
    long = [f"{name} has {length} lines" for name, length in functions(file) if length > MAX_FUNCTION]
    assert file not in FILES or long == []


def packages_of(file: Path) -> set[str]:
    """The packages of fsd_model that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fsd_model"):
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("file", sorted(ROOT.glob("fsd_model/**/*.py")), ids=lambda file: file.stem)
def test_packages_import_only_what_lies_below_them(file: Path) -> None:
    own = file.relative_to(ROOT / "fsd_model").parts[0].removesuffix(".py")
    row_of = {name: row for row, names in enumerate(LAYERS) for name in names}
    if own != "__init__":
        above = {name for name in packages_of(file) - {own} if row_of[name] >= row_of[own]}
        assert not above, f"{own} must not import {above}"


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
