"""The command line: `fsd-tuner`, with the commands of installed trial packages beside its own."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated, Any

import typer

from tuner.commands.cluster import submit
from tuner.commands.exits import exits, export
from tuner.commands.options import ResumeOption, SetOption, StudyArgument
from tuner.commands.report import report
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
# of the click that typer brings, its own or the real one
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
    """The options of the program; `main` reads --debug before anything else."""


@app.command(rich_help_panel=SEARCH)
def check(study: StudyArgument, overrides: SetOption = []) -> None:  # noqa: B006 - typer copies it
    """Check a study without searching: its keys, its space, 200 configurations, the extremes, the data."""
    from rich.console import Console

    from tuner.execution.preflight import check_study, space_table
    from tuner.study.load import load_study

    console, loaded = Console(), load_study(study, overrides)
    if loaded.search:
        console.print(space_table(loaded))
    tried = check_study(loaded)
    console.print(f"ok: {loaded.name}: {tried}", soft_wrap=True, highlight=False)


@app.command(rich_help_panel=SEARCH)
def search(
    study: StudyArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder for everything the search leaves.")],
    overrides: SetOption = [],  # noqa: B006
    trials: Annotated[
        int | None, typer.Option(help="How many trials, instead of the study's number.")
    ] = None,
    resume: ResumeOption = False,
    forecast: Annotated[
        bool, typer.Option("--forecast/--no-forecast", help="Measure first what the search will take.")
    ] = True,
    local: Annotated[
        bool, typer.Option("--local", help="Run the trials one by one in this process, without Ray.")
    ] = False,
) -> None:
    """Search: Ray runs the trials, Optuna suggests, ASHA stops, MLflow records; the best is exported."""
    from rich.console import Console

    from tuner.commands.summary import exit_code, summary
    from tuner.study.load import load_study
    from tuner.workflows.search import search as run_search

    changed = [*overrides, *([] if trials is None else [f"trials={trials}"])]
    console, loaded = Console(highlight=False), load_study(study, changed)
    outcome = run_search(loaded, out, console, resume, forecast, local)
    for line in summary(loaded, outcome, out):
        console.print(line, soft_wrap=True, markup=False)
    raise typer.Exit(exit_code(outcome))


@app.command("forecast", rich_help_panel=SEARCH)
def forecast_command(study: StudyArgument, overrides: SetOption = []) -> None:  # noqa: B006
    """Measure the smallest and the largest configuration and say what the search would take."""
    from rich.console import Console

    from tuner.forecast.run import forecast_study
    from tuner.study.load import load_study

    forecast_study(load_study(study, overrides), Console(highlight=False))


app.command(rich_help_panel=RESULTS)(train)
app.command(rich_help_panel=RESULTS)(ablate)
app.command(rich_help_panel=RESULTS)(ui)
app.command(rich_help_panel=RESULTS)(exits)
app.command(rich_help_panel=RESULTS)(export)
app.command(rich_help_panel=RESULTS)(report)
app.command(rich_help_panel=SEARCH)(submit)


def main() -> None:
    """Run `fsd-tuner`: user errors are one line and exit code 2, tracebacks come with --debug."""
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
    except BrokenPipeError:  # whoever read the output has enough
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
