"""Errors of the user, one line per problem: place, rule, value, way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails


class StudyError(ValueError):
    """A study, folder or cluster that cannot be used; the command line prints it without a traceback."""


class SettingError(ValueError):
    """A rule that one setting breaks, raised by the model that contains it.

    Args:
        path: the setting's keys below the model that raises.
        rule: the rule, the value received, the way out.
    """

    def __init__(self, path: tuple[str | int, ...], rule: str) -> None:
        super().__init__(rule)
        self.path = path


class StateLostError(OSError):
    """A checkpoint that could not be written or read; the attempt is retried, as after a machine's death."""


def nearest(given: str, known: Iterable[str]) -> str:
    """Return the way out for an unknown name: the nearest known name, or all of them.

    Args:
        given: the unknown name.
        known: all known names.
    Returns:
        "did you mean `x`?" or "there are: x, y".
    """
    names = [str(name) for name in known]
    near = get_close_matches(given, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"there are: {', '.join(names)}" if names else "there are none"


def problems(error: ValidationError) -> list[tuple[tuple[str | int, ...], str]]:
    """Return each problem of a failed validation: path of the setting, rule with the value received."""
    rows: list[tuple[tuple[str | int, ...], str]] = []
    for detail in error.errors(include_url=False):
        path, cause = tuple(detail["loc"]), detail.get("ctx", {}).get("error")
        if isinstance(cause, ValidationError):
            rows += [((*path, *inner), rule) for inner, rule in problems(cause)]
        elif isinstance(cause, SettingError):
            rows.append(((*path, *cause.path), str(cause)))
        else:
            rows.append((path, _rule(detail)))
    return rows


def lines(error: BaseException) -> list[str]:
    """Return an exception as lines for a person, one per problem.

    Args:
        error: any exception; a ValidationError has one line per problem.
    Returns:
        At least one non-empty line.
    """
    if isinstance(error, ValidationError):
        return [f"{dotted(path)}: {rule}" if path else rule for path, rule in problems(error)]
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return [f"{place}{error.strerror}"]
    text = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, StudyError):
        return text
    return [" ".join(text) or type(error).__name__]


def dotted(path: Iterable[str | int]) -> str:
    """Return a path of keys and indices as a study file writes it: `search.a.b`, `choice[2]`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def _rule(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "missing":
        return "is missing; add it"
    message = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{message}, got {_short(detail['input'])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
