"""The commands `train` and `ablate`: one configuration again, alone or against its control arms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.commands.options import ResumeOption, SetOption


def train(
    study: Annotated[str, typer.Argument(metavar="BEST", help="A best.yaml, or any study of one trial.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the exported files.")] = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Train one configuration again and compare its metric with the recorded one."""
    from rich.console import Console

    from tuner.commands.summary import comparison
    from tuner.study.load import load_study
    from tuner.workflows.train import train as run_training

    console, loaded = Console(highlight=False), load_study(study, overrides)
    trained = run_training(loaded, out, console)
    for line in comparison(loaded, trained):
        console.print(line, soft_wrap=True, markup=False)
    if overrides and not trained.same:
        console.print(
            f"note        --set changed {len(overrides)} setting(s), so a different value is expected"
        )
    raise typer.Exit(0 if trained.same else 1)


def ablate(
    study: Annotated[str, typer.Argument(metavar="BEST", help="A best.yaml, or any study of one trial.")],
    seeds: Annotated[int, typer.Option(metavar="N", help="Seeds per arm, at least 2.")] = 5,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder; default: `ablation` beside BEST.")
    ] = None,
    overrides: SetOption = [],  # noqa: B006
    resume: ResumeOption = False,
) -> None:
    """Compare one configuration with its control arms over several seeds: which part of it helps?"""
    from rich.console import Console

    from tuner.commands.summary import exit_code
    from tuner.study.load import load_study
    from tuner.workflows.ablate import ablate as run_ablation

    console = Console(highlight=False)
    folder = out or Path(study).parent / "ablation"
    ablated = run_ablation(load_study(study, overrides), seeds, folder, console, resume)
    console.print(ablated.text, soft_wrap=True, markup=False)
    for path in ablated.outcome.exported:
        console.print(f"written     {path}", soft_wrap=True, markup=False)
    raise typer.Exit(exit_code(ablated.outcome))
