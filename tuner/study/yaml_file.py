"""YAML 1.2 files: plain values with the line of every key, and how they are written."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tuner.errors import StudyError, dotted

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The content of one file.

    Attributes:
        source: name of the file, for messages.
        data: its values.
        lines: path of each key and list item -> line.
    """

    source: str
    data: dict[str, Any]
    lines: Mapping[Path, int]

    def place(self, path: Path) -> str:
        """Return `FILE:LINE` of a part, or of the nearest enclosing part that has a line."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.source}:{self.lines.get(path, 1)}"


def parse(text: str, source: str) -> Document:
    """Parse YAML 1.2 with plain values only.

    Args:
        text: content of the file.
        source: name of the file, for messages.
    Returns:
        The document; its top level is a mapping with string keys.
    Raises:
        StudyError: bad syntax, a repeated key, a custom tag, NaN or infinity, an empty file; with file and
            line.
    """
    try:
        root = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise StudyError(f"{source}:{line}: not valid YAML: {_problem(error)}") from error
    except (YAMLError, ValueError) as error:
        raise StudyError(f"{source}:1: not valid YAML: {_first_line(str(error))}") from error
    if root is None:
        raise StudyError(f"{source}:1: the file is empty; a study needs at least name, trial, epochs, metric")
    lines: dict[Path, int] = {(): 1}
    try:
        data = _plain(root, (), lines, source)
    except RecursionError as error:
        raise StudyError(f"{source}:1: an alias contains itself; write the value out") from error
    if not isinstance(data, dict):
        raise StudyError(f"{source}:1: a study is a mapping of keys to values, got {type(data).__name__}")
    return Document(source, data, lines)


def parse_value(text: str) -> Any:
    """Parse one value as a study file writes it (`3`, `1e-5`, `[1, 2]`, `{int: [1, 4]}`).

    Raises:
        StudyError: not a plain YAML value.
    """
    return parse(f"value: {text}", f"`{text}`").data["value"]


def dump(data: Mapping[str, Any], comment: str = "") -> str:
    """Return plain values as YAML that `parse` reads back unchanged; `comment` goes on top."""
    yaml = YAML(typ="rt")
    yaml.width = 110
    yaml.default_flow_style = None  # short lists and mappings on one line
    stream = io.StringIO()
    yaml.dump(_quoted(dict(data)), stream)
    top = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return top + stream.getvalue()


def _quoted(value: Any) -> Any:
    # ruamel writes a text like `?0` bare, and then reads it as the sign of a complex key
    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and value[:1] == "?" else value


def _plain(node: Any, path: Path, lines: dict[Path, int], source: str) -> Any:
    here = f"{source}:{_line(lines, path)}: {dotted(path) or 'file'}"
    tag = getattr(getattr(node, "tag", None), "value", None)
    if tag is not None and not str(tag).startswith("tag:yaml.org,2002:"):
        raise StudyError(f"{here}: the tag {tag} is not allowed; write a plain value")
    if isinstance(node, Mapping):
        return {key: _plain(node[key], (*path, key), lines, source) for key in _keys(node, path, lines, here)}
    if isinstance(node, Sequence) and not isinstance(node, str):
        for i in range(len(node)):
            lines[(*path, i)] = _position(node).item(i)[0] + 1
        return [_plain(item, (*path, i), lines, source) for i, item in enumerate(node)]
    return _scalar(node, here)


def _keys(node: Any, path: Path, lines: dict[Path, int], here: str) -> list[str]:
    for key in node:
        if not isinstance(key, str):
            raise StudyError(f"{here}: the key {key!r} is not text; put it in quotes")
        if key in _position(node).data:  # a key from a merge (<<) has no line
            lines[(*path, key)] = _position(node).key(key)[0] + 1
    return list(node)


def _scalar(node: Any, here: str) -> Any:
    if node is None or isinstance(node, bool):
        return node
    if isinstance(node, float):
        if not math.isfinite(node):
            raise StudyError(f"{here}: needs a finite number, got {node}")
        return float(node)
    if isinstance(node, (int, str)):
        return int(node) if isinstance(node, int) else str(node)
    if type(node).__name__ == "ScalarBoolean":
        return bool(node)
    raise StudyError(f"{here}: {type(node).__name__} is not a plain value; put it in quotes")


def _position(node: Any) -> Any:
    return node.lc


def _line(lines: Mapping[Path, int], path: Path) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _problem(error: MarkedYAMLError) -> str:
    problem = _first_line(error.problem)
    return f"{error.context} {problem}" if problem.startswith("but ") else problem


def _first_line(text: str | None) -> str:
    return (text or "unknown problem").strip().splitlines()[0]
