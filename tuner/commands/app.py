"""The program `fsd-tuner`: its commands and those of installed trial packages, errors and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points, version
from typing import Annotated, Any

import typer

from tuner.commands.cluster import submit
from tuner.commands.exits import exits, export
from tuner.commands.report import report
from tuner.commands.search import check, forecast, search
from tuner.commands.train import ablate, train
from tuner.commands.ui import ui
from tuner.errors import lines

app = typer.Typer(
    name="fsd-tuner",
    help="Distributed hyperparameter search: one study file, many trials, the best configuration.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
SEARCH, RESULTS = "Search", "Results"  # groups of the help
# click's base of usage errors; typer may bring its own copy of click
_ClickException: Any = typer.BadParameter.__mro__[2]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fsd-tuner {version('fsd-tuner')}")
        raise typer.Exit


@app.callback()
def _global(
    debug: Annotated[
        bool, typer.Option("--debug", help="Full tracebacks; before or after a command.")
    ] = False,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options of the program; `main` reads --debug before anything else."""


def _add(command: Callable[..., None], group: str, example: str) -> None:
    app.command(rich_help_panel=group, epilog=f"Example: fsd-tuner {example}")(command)


_add(check, SEARCH, "check digits.yaml")
_add(search, SEARCH, "search digits.yaml --out runs/digits --set trials=20")
_add(forecast, SEARCH, "forecast digits.yaml")
_add(submit, SEARCH, "submit digits.yaml --out /shared/digits --cluster cluster.yaml")
_add(report, RESULTS, "report runs/digits")
_add(ui, RESULTS, "ui runs/digits")
_add(train, RESULTS, "train runs/digits/best.yaml --out runs/again")
_add(ablate, RESULTS, "ablate runs/digits/best.yaml --seeds 5")
_add(exits, RESULTS, "exits runs/digits --trial 3")
_add(export, RESULTS, "export runs/digits --max-latency-ms 5 --max-params 300k")


def main() -> None:
    """Run `fsd-tuner`: a user's error is one line and exit code 2; --debug adds tracebacks."""
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" in arguments[:split]:
        os.environ["FSD_DEBUG"] = "1"
    arguments = [each for each in arguments[:split] if each != "--debug"] + arguments[split:]
    _add_plugins()
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command line.

    Args:
        arguments: without the program's name and --debug.
    Returns:
        The exit code: 0, 1 for a negative result, 2 for a user's error, 130 for Ctrl-C.
    """
    try:
        return int(app(arguments, standalone_mode=False) or 0)
    except _ClickException as error:
        error.show()
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError) as error:
        return _failed(error, "", 2)
    except Exception as error:  # noqa: BLE001 - the last resort of a program
        return _failed(error, f"unexpected {type(error).__name__}, --debug shows where: ", 1)


def _failed(error: Exception, prefix: str, code: int) -> int:
    if os.environ.get("FSD_DEBUG", "") not in ("", "0"):
        raise error
    for line in lines(error):
        typer.echo(f"error: {prefix}{line}", err=True)
    return code


def _add_plugins() -> None:
    for entry in entry_points(group="fsd_tuner.commands"):
        try:
            plugin = entry.load()
            app.registered_commands += plugin.registered_commands
            app.registered_groups += plugin.registered_groups
        except Exception as error:  # noqa: BLE001 - a broken package must not take the search with it
            typer.echo(f"warning: the commands of {entry.name} are missing: {lines(error)[0]}", err=True)
