"""The rules of the source tree's layout. Each yields its violations, one line each."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from tests.support.import_graph import HALVES, SourceTree, circles, entry

MAX_FILE, MAX_TEST_FILE, MAX_FUNCTION, MAX_ROOT_FILES = 250, 500, 45, 10

LAYERS = {
    "fsd_model": (
        ("errors", "settings", "labels", "progress"),
        ("atomic_write",),
        ("metrics", "data", "distributed", "corpus"),
        ("scores", "features"),
        ("augmentation", "networks"),
        ("distillation", "detector"),
        ("training", "evaluation", "deployment", "serving"),
        ("experimental", "data_check"),
        ("trial", "commands"),
        ("cli", "__init__"),
    ),
    "tuner": (
        ("trial", "errors", "files", "text", "statistics"),
        ("strict", "trial_module"),
        ("storage", "space"),
        ("study",),
        ("journal", "cluster"),
        ("searchers", "schedulers"),
        ("controller",),
        ("execution", "results"),
        ("deploy", "tracking", "finalists"),
        ("forecast",),
        ("workflows", "report"),
        ("commands", "__init__"),
        ("__main__",),
    ),
}
"""Entries of each half, lowest row first. An entry imports itself and lower rows, nothing else."""

ONLY_IN = {
    "tuner": (),
    "fsd_model": (),
    "optuna": ("tuner/searchers/optuna_*.py", "tuner/results/importance.py"),
    "mlflow": ("tuner/tracking/*",),
    "ray": (
        "tuner/cluster/*",
        "tuner/execution/*",
        "tuner/forecast/measure.py",
        "tuner/schedulers/asha.py",
        "tuner/schedulers/median.py",
        "tuner/schedulers/ray_scheduler.py",
    ),
    "typer": ("tuner/commands/*", "fsd_model/commands/*", "fsd_model/cli.py"),
    "matplotlib": (
        "tuner/report/*",
        "tuner/deploy/*",
        "tuner/workflows/ablation_figure.py",
        "fsd_model/scores/plots.py",
        "fsd_model/trial/report/*",
    ),
    "sklearn": ("tuner/schedulers/pb2_model.py", "fsd_model/*"),
    "torch": ("fsd_model/*",),
    "torchaudio": ("fsd_model/*",),
    "soundfile": ("fsd_model/*",),
    "search_spaces": (),
}
"""The only files that may import a package; each half may import itself."""

ONLY_FROM = {
    "fsd_model.evaluation.eval_split": (
        "fsd_model.evaluation.final_evaluation",
        "fsd_model.data_check.check",
    ),
    "fsd_model.experimental.stacked": ("fsd_model.trial",),
    "fsd_model.experimental": ("fsd_model.trial",),
    "tuner.execution.stacking": ("tuner.execution.ray_tune",),
}
"""The only modules or packages that may import a module or package, besides itself."""

ALLOWED: dict[str, str] = {}
"""Violations that stand for the time being, by the beginning of their line, each with its reason."""


def layering(tree: SourceTree) -> Iterator[str]:
    """Yield imports that do not lead to a lower row, and entries that have no row."""
    for half, rows in LAYERS.items():
        row_of = {_entry_of(half, name): row for row, names in enumerate(rows) for name in names}
        for name, targets in tree.edges.items():
            if name.split(".")[0] != half:
                continue
            if entry(name) not in row_of:
                yield f"{entry(name)}: has no row in LAYERS"
                continue
            for target in sorted(targets):
                same = entry(target) == entry(name)
                if not same and row_of.get(entry(target), len(rows)) >= row_of[entry(name)]:
                    yield f"{name} imports {target}, which is no lower row"


def file_circles(tree: SourceTree) -> Iterator[str]:
    """Yield groups of files that import each other."""
    yield from (f"circle of files: {', '.join(group)}" for group in circles(tree.edges))


def package_circles(tree: SourceTree) -> Iterator[str]:
    """Yield groups of packages that import each other; a folder inside a package is part of it."""
    yield from (f"circle of packages: {', '.join(group)}" for group in circles(tree.package_edges))


def frameworks(tree: SourceTree) -> Iterator[str]:
    """Yield imports of a package outside the files that may import it."""
    for name, file in tree.files.items():
        path = file.relative_to(tree.root).as_posix()
        imported = {each.split(".")[0] for each in tree.imports[name]} - {name.split(".")[0]}
        for package in sorted(imported & ONLY_IN.keys()):
            if not any(fnmatch(path, pattern) for pattern in ONLY_IN[package]):
                yield f"{path} imports {package}"


def one_way(tree: SourceTree) -> Iterator[str]:
    """Yield imports of a closed module or package from elsewhere than its one way in."""
    for name, targets in tree.edges.items():
        for closed, doors in ONLY_FROM.items():
            outside = not any(_within(name, each) for each in (closed, *doors))
            if outside and any(_within(target, closed) for target in targets):
                yield f"{name} imports {closed}"


def root_files(tree: SourceTree) -> Iterator[str]:
    """Yield halves with too many entries at their root that are no package."""
    for half in HALVES:
        files = [each.name for each in (tree.root / half).iterdir() if each.is_file()]
        if len(files) > MAX_ROOT_FILES:
            yield f"{half}: {len(files)} files at its root, at most {MAX_ROOT_FILES}"


def front_doors(tree: SourceTree) -> Iterator[str]:
    """Yield packages whose `__init__` file does not say what they are, and files that it does not name."""
    for folder in sorted({file.parent for file in tree.files.values()}):
        init, name = folder / "__init__.py", folder.relative_to(tree.root).as_posix()
        text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) if init.is_file() else None
        if not text or len(text) < 2:
            yield f"{name}: no docstring in __init__.py"
            continue
        named = set(re.findall(r"\w+", text)) | {"__init__", "__main__"}
        if unnamed := sorted({file.stem for file in folder.glob("*.py")} - named):
            yield f"{name}: __init__.py does not name {', '.join(unnamed)}"


def mirrored_tests(tree: SourceTree) -> Iterator[str]:
    """Yield test files whose folder is no package of the source."""
    for half in HALVES:
        for test in sorted((tree.root / "tests" / half).rglob("test_*.py")):
            folder = test.parent.relative_to(tree.root / "tests")
            path = test.relative_to(tree.root).as_posix()
            if folder == Path(half):
                source = tree.root / half / test.name.removeprefix("test_")
                if not source.is_file():
                    yield f"{path}: {half}/{source.name} does not exist"
            elif not (tree.root / folder / "__init__.py").is_file():
                yield f"{path}: {folder.as_posix()} is no package"


def sizes(tree: SourceTree) -> Iterator[str]:
    """Yield files and functions that are too long; tests have twice the lines and no limit for functions."""
    for file in sorted((tree.root / "tests").rglob("*.py")):
        yield from _too_long(file, MAX_TEST_FILE, tree.root)
    for file in tree.files.values():
        yield from _too_long(file, MAX_FILE, tree.root)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION:
                    yield f"{file.relative_to(tree.root).as_posix()}: {node.name} has {lines} lines"


RULES: tuple[Callable[[SourceTree], Iterator[str]], ...] = (
    layering,
    file_circles,
    package_circles,
    frameworks,
    one_way,
    root_files,
    front_doors,
    mirrored_tests,
    sizes,
)


def _too_long(file: Path, limit: int, root: Path) -> Iterator[str]:
    lines = file.read_text(encoding="utf-8").count("\n")
    if lines > limit:
        yield f"{file.relative_to(root).as_posix()}: has {lines} lines, at most {limit}"


def _entry_of(half: str, name: str) -> str:
    return half if name == "__init__" else f"{half}.{name}"


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
