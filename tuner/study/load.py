"""Load a study: find and read the file, apply `--set` and environment variables, validate."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuner.errors import StudyError, dotted, problems
from tuner.study.study import Study
from tuner.study.yaml_file import Document, parse, parse_value

_PACKAGE = "search_spaces"
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def load_study(
    ref: str | Path, overrides: Sequence[str] = (), trial: str | Callable[..., Any] | None = None
) -> Study:
    """Load and validate one study.

    Args:
        ref: a path, or the name of a study file that is installed with the package.
        overrides: `key=value` each, with a dotted path in the file and a YAML value.
        trial: the trial function, or its name, in place of the one in the file.
    Raises:
        StudyError: one line per problem, `FILE:LINE: key: rule, value, way out`.
    """
    document = find(str(ref))
    places = {key: f"--set {key}={value}" for key, value in map(_split, overrides)}
    data: dict[str, Any] = document.data if trial is None else {**document.data, "trial": trial}
    for key, value in map(_split, overrides):
        data = _override(data, _path(key), parse_value(value))
    if isinstance(data.get("settings"), dict):
        data = {**data, "settings": _expand(data["settings"], ("settings",), document)}
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        raise StudyError("\n".join(_line(document, places, *each) for each in problems(error))) from error


def find(ref: str) -> Document:
    """Read the study file that `ref` names.

    Raises:
        StudyError: no such file or name, an unreadable or malformed file.
    """
    path = Path(ref)
    if path.is_file() or path.suffix in (".yaml", ".yml") or len(path.parts) != 1:
        return _read(path)
    shipped = {
        entry.name.removesuffix(".yaml"): entry
        for entry in resources.files(_PACKAGE).iterdir()
        if entry.name.endswith(".yaml")
    }
    if ref not in shipped:
        near = f"did you mean `{close[0]}`? " if (close := get_close_matches(ref, shipped, n=1)) else ""
        listed = ", ".join(sorted(shipped))
        raise StudyError(f"no study `{ref}`; {near}name one of {listed}, or a path to a .yaml file")
    return parse(shipped[ref].read_text(encoding="utf-8"), f"{ref}.yaml")


def _read(path: Path) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not a UTF-8 text file; a study is written in YAML") from error
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}; name a study file or a shipped study") from error
    return parse(text, str(path))


def _split(override: str) -> tuple[str, str]:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise StudyError(f"--set {override}: needs key=value, such as trials=8")
    return key, value


def _path(key: str) -> tuple[str, ...]:
    first, dot, rest = key.partition(".")
    if first in ("search", "default") and dot:  # their keys are dotted paths themselves
        return first, rest
    return tuple(key.split("."))


def _override(data: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = path
    if not rest:
        return {**data, first: value}
    below = data.get(first)
    return {**data, first: _override(below if isinstance(below, dict) else {}, tuple(rest), value)}


def _expand(node: Any, path: tuple[str | int, ...], document: Document) -> Any:
    if isinstance(node, dict):
        return {key: _expand(below, (*path, key), document) for key, below in node.items()}
    if isinstance(node, list):
        return [_expand(below, (*path, i), document) for i, below in enumerate(node)]
    if not isinstance(node, str):
        return node

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        given = os.environ.get(name) or default  # an empty variable counts as not set, as in the shell's :-
        if given is None:
            way_out = f"export {name}, or write ${{{name}:-default}}"
            raise StudyError(f"{document.place(path)}: {dotted(path)}: {name} is not set; {way_out}")
        return given

    return _VARIABLE.sub(value, node)


def _line(document: Document, places: Mapping[str, str], path: tuple[str | int, ...], rule: str) -> str:
    key = dotted(path)
    changed = [place for name, place in places.items() if key == name or key.startswith(f"{name}.")]
    place = changed[0] if changed else document.place(path)
    return f"{place}: {key}: {rule}" if key else f"{place}: {rule}"
