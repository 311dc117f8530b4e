"""Sizes of a source tree, beside those of others: lines, files at each root, circles, chains, comments.

python -m tests.support.house_sizes [FOLDER...]
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from pathlib import Path

from tests.support.import_graph import HALVES, SourceTree, circles, longest_chain

Sizes = dict[str, dict[str, float]]

_TOOLS = re.compile(r"#\s*(type:|noqa|fmt:|ruff:|mypy:|pragma:|!)")


def measure(tree: SourceTree) -> Sizes:
    """Return the sizes of both halves and of the tests, by their names."""
    tests = sum(_lines(file) for file in (tree.root / "tests").rglob("*.py"))
    return {half: _half(tree, half) for half in HALVES} | {"tests": {"lines": tests}}


def table(measured: dict[str, Sizes]) -> str:
    """Return the sizes as a Markdown table with a column per tree."""
    rows = ["| | | " + " | ".join(measured) + " |", "|" + "---|" * (2 + len(measured))]
    parts = next(iter(measured.values()))
    for part, sizes in parts.items():
        for name in sizes:
            values = (f"{tree[part][name]:,.0f}" for tree in measured.values())
            rows.append(f"| {part} | {name} | {' | '.join(values)} |")
    return "\n".join(rows)


def _half(tree: SourceTree, half: str) -> dict[str, float]:
    inside = {name: targets for name, targets in tree.edges.items() if name.split(".")[0] == half}
    graph = {name: targets & inside.keys() for name, targets in inside.items()}
    packages = {name: targets for name, targets in tree.package_edges.items() if name.split(".")[0] == half}
    files = [tree.files[name] for name in inside]
    lines = sum(map(_lines, files))
    entries = [each for each in (tree.root / half).iterdir() if each.name != "__pycache__"]
    return {
        "lines": lines,
        "files": len(files),
        "files at the root": sum(each.is_file() for each in entries),
        "folders at the root": sum(each.is_dir() for each in entries),
        "circles of files": len(circles(graph)),
        "circles of packages": len(circles(packages)),
        "longest import chain": longest_chain(graph),
        "comments per 1,000 lines": 1000 * sum(map(_comments, files)) / lines,
    }


def _lines(file: Path) -> int:
    return file.read_text(encoding="utf-8").count("\n")


def _comments(file: Path) -> int:
    """Comments for a reader, those for linters and type checkers left out."""
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline)
    comments = (token.string for token in tokens if token.type == tokenize.COMMENT)
    return sum(not _TOOLS.match(comment) for comment in comments)


if __name__ == "__main__":
    folders = [Path(given) for given in sys.argv[1:] or ["."]]
    print(table({str(folder): measure(SourceTree(folder.resolve())) for folder in folders}))
