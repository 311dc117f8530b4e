"""`fsd-tuner data`: checks of a corpus."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fsd_model.commands.options import JobsOption

if TYPE_CHECKING:
    from fsd_model.data.training_splits import DataConfig
    from fsd_model.data_check.check import Report

app = typer.Typer(no_args_is_help=True, help="Checks of corpora: counts, bad files, duplicates, shortcuts.")

FORMATS = "auto, asvspoof2019, asvspoof2021, asvspoof5, in_the_wild or manifest."


@app.callback()
def data() -> None:
    """Check corpora."""


@app.command("check")
def check(
    root: Annotated[Path, typer.Argument(help="Folder of a corpus, or a manifest (.csv, .parquet).")],
    layout: Annotated[str, typer.Option("--format", help=FORMATS)] = "auto",
    track: Annotated[str, typer.Option(help="LA, PA or DF (of ASVspoof 2019 and 2021).")] = "LA",
    subset: Annotated[str, typer.Option(help="eval, progress or hidden (of ASVspoof 2021).")] = "eval",
    split: Annotated[list[str] | None, typer.Option(help="train, dev or eval; may be repeated.")] = None,
    jobs: JobsOption = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Missing and undecodable files are warnings, all listed.")
    ] = False,
    with_eval: Annotated[bool, typer.Option("--eval", help="Open the evaluation split as well.")] = False,
    json_to: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="File for JSON; - for stdout.")
    ] = None,
) -> None:
    """Read every file of a corpus and report counts, bad files, duplicates, and shortcuts.

    Exit code 1 if there is an error, 2 if there is no corpus.

    Example: fsd-tuner data check /data/ASVspoof2019
    """
    from fsd_model.data_check.check import check_data, splits_to_check
    from fsd_model.progress import progress_bar

    values = {"root": root, "format": layout, "track": track, "subset": subset, "skip_bad": skip_bad}
    corpus = data_config(values)
    splits = [_known(name) for name in split] if split else splits_to_check(corpus, with_eval)
    with progress_bar("checking") as progress:
        report = check_data(corpus, splits, jobs or os.cpu_count() or 1, progress)
    _show(report, json_to, skip_bad)
    if report.failed:
        raise typer.Exit(1)


def data_config(values: dict[str, Any]) -> DataConfig:
    """Return the corpus settings from command-line options.

    Raises:
        InputError: an invalid value; names the option.
    """
    from pydantic import ValidationError

    from fsd_model.data.training_splits import DataConfig
    from fsd_model.errors import InputError

    try:
        return DataConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"--{first['loc'][-1]}: {first['msg'].replace('Input should', 'must')}, got `{first['input']}`"
        ) from None


def _known(split: str) -> Any:
    from fsd_model.errors import InputError

    if split not in ("train", "dev", "eval"):
        raise InputError(f"--split: must be train, dev or eval, got `{split}`")
    return split


def _show(report: Report, json_to: Path | None, all_names: bool) -> None:
    from rich.console import Console

    from fsd_model.atomic_write import write_text
    from fsd_model.data_check.text import print_report

    text = json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
    if json_to == Path("-"):
        typer.echo(text, nl=False)
        return
    print_report(report, Console(), all_names)
    if json_to is not None:
        write_text(json_to, text)
