"""The commands of `fsd-tuner` as Markdown, from the functions behind them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, CommandInfo, OptionInfo

import fsd_model.cli
import tuner.commands.app
from tests.docs.support.reference_text import table

_NAMES = {str: "text", int: "whole number", float: "number", Path: "path", bool: "flag"}


def found(app: typer.Typer, before: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """Yield every command of an app: its words, and what typer knows of it."""
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        yield f"{before}{name}", command
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from found(group.typer_instance, f"{before}{group.name} ")


def all_commands() -> dict[str, CommandInfo]:
    """Return the commands of both packages by their words."""
    return dict([*found(tuner.commands.app.app), *found(fsd_model.cli.app)])


def parameters(command: CommandInfo) -> Iterator[tuple[str, Any, ArgumentInfo | OptionInfo, Any]]:
    """Yield name, type, typer settings, and default (`...` where there is none) of each parameter."""
    function = command.callback
    assert function is not None
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        assert get_origin(hints[name]) is Annotated
        kind, *told = get_args(hints[name])
        (info,) = (each for each in told if isinstance(each, (ArgumentInfo, OptionInfo)))
        yield name, kind, info, ... if parameter.default is parameter.empty else parameter.default


def options(command: CommandInfo) -> set[str]:
    """Return all options of a command, as they are written."""
    return {
        spelling
        for name, _, info, _ in parameters(command)
        if isinstance(info, OptionInfo)
        for written in spellings(name, info)
        for spelling in written.split("/")
    }


def spellings(name: str, info: ArgumentInfo | OptionInfo) -> list[str]:
    """How a parameter is written; within Annotated typer keeps the first spelling as a default."""
    if isinstance(info, ArgumentInfo):
        return [info.metavar or name.upper()]
    first = [info.default] if isinstance(info.default, str) else []
    return [*first, *(info.param_decls or ())] or [f"--{name.replace('_', '-')}"]


def commands() -> str:
    """Return all commands as Markdown: docstring, example, table of arguments and options."""
    return "\n".join(
        f"### `fsd-tuner {words}`\n\n{inspect.getdoc(command.callback)}\n\n"
        f"{_example(command)}{_table(command)}"
        for words, command in all_commands().items()
    )


def _example(command: CommandInfo) -> str:
    return f"`{command.epilog.removeprefix('Example: ')}`\n\n" if command.epilog else ""


def _table(command: CommandInfo) -> str:
    rows = [_row(*each) for each in parameters(command)]
    return table(["argument or option", "type", "default", "meaning"], rows)


def _row(name: str, kind: Any, info: ArgumentInfo | OptionInfo, default: Any) -> list[str]:
    written, words = ", ".join(spellings(name, info)), _kind(kind)
    if isinstance(info, OptionInfo) and info.metavar:
        written += f" {info.metavar}"
    if info.min is not None and info.max is not None:
        words += f" from {info.min:g} to {info.max:g}"
    elif info.min is not None:
        words += f" ≥ {info.min:g}"
    return [f"`{written}`", words, _default(default), info.help or ""]


def _kind(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is list:
        return f"{_kind(get_args(kind)[0])}, repeated"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    return _NAMES[kind]


def _default(default: Any) -> str:
    if default is ...:
        return "required"
    if default is None or default is False or default == []:
        return ""
    return "on" if default is True else f"`{getattr(default, 'value', default)}`"
