"""The import graph of the source tree: every import of a file, lazy and type-only imports included."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HALVES = ("fsd_model", "tuner")
Graph = Mapping[str, Set[str]]


@dataclass(frozen=True)
class SourceTree:
    """The modules of both halves under a root folder, by dotted name.

    A package counts as imported only where its own members are, although Python imports it on the way to
    every module below it. In an `__init__` file a string that is the name of a module counts as an import of
    it, because a lazy `__getattr__` imports by such strings.
    """

    root: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        """File of each module; a package has the name of its folder."""
        return {
            module_name(file.relative_to(self.root)): file
            for half in HALVES
            for file in sorted((self.root / half).rglob("*.py"))
        }

    @cached_property
    def imports(self) -> dict[str, frozenset[str]]:
        """Names that each module imports, as written: modules and members of modules."""
        return {name: frozenset(_imported(file, set(self.files))) for name, file in self.files.items()}

    @cached_property
    def edges(self) -> dict[str, set[str]]:
        """Modules of the tree that each module imports."""
        return {
            name: {target for target in map(self._module_of, imported) if target} - {name}
            for name, imported in self.imports.items()
        }

    @cached_property
    def package_edges(self) -> dict[str, set[str]]:
        """The same between the entries right below `fsd_model` and `tuner`: packages and root files."""
        found: dict[str, set[str]] = {entry(name): set() for name in self.files}
        for name, targets in self.edges.items():
            found[entry(name)] |= {entry(target) for target in targets} - {entry(name)}
        return found

    def external(self, name: str) -> set[str]:
        """Top-level names of the other packages that a module imports."""
        return {imported.split(".")[0] for imported in self.imports[name]} - set(HALVES)

    def _module_of(self, imported: str) -> str:
        while imported and imported not in self.files:
            imported = imported.rpartition(".")[0]
        return imported


def module_name(relative: Path) -> str:
    """Return the dotted name of a file given by its path below the root."""
    return ".".join(relative.with_suffix("").parts).removesuffix(".__init__")


def entry(module: str) -> str:
    """Return the package or root file right below `fsd_model` or `tuner` in which a module lies."""
    return ".".join(module.split(".")[:2])


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of nodes that reach each other, each sorted."""
    return sorted(sorted(group) for group in _components(graph) if len(group) > 1)


def longest_chain(graph: Graph) -> int:
    """Return the number of nodes on the longest path; a circle counts with all its nodes."""
    groups = _components(graph)
    number = {node: index for index, group in enumerate(groups) for node in group}
    length: list[int] = []
    for index, group in enumerate(groups):  # what a group imports comes before it
        below = {number[target] for node in group for target in graph[node]} - {index}
        length.append(len(group) + max((length[other] for other in below), default=0))
    return max(length, default=0)


def _components(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components (Tarjan), each after those it leads to.

    A node's `low` is the earliest node on the stack that it can reach. Where that is the node itself, all
    that lies above it on the stack reaches it and is reached by it.
    """
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for target in sorted(graph[node]):
            if target not in order:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], order[target])
        if low[node] == order[node]:
            cut = stack.index(node)
            groups.append(stack[cut:])
            del stack[cut:]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return groups


def _imported(file: Path, modules: Set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(node, file)
        elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__"):
            yield from (str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))
        elif isinstance(node, ast.Constant) and file.name == "__init__.py" and node.value in modules:
            yield str(node.value)


def _imported_from(node: ast.ImportFrom, file: Path) -> Iterator[str]:
    if node.level:
        raise ValueError(f"{file}:{node.lineno}: relative import; write the whole name")
    yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _called(function: ast.expr) -> str:
    name = getattr(function, "attr", None) or getattr(function, "id", "")
    return str(name)
