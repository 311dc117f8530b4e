"""`fsd-tuner corpus`: the demo corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The demo corpus.")


@app.command("make")
def make(
    out: Annotated[Path, typer.Argument(help="Folder to make it in; gets LA/ in the ASVspoof 2019 layout.")],
    tiny: Annotated[
        bool, typer.Option("--tiny", help="About 100 files in seconds, for trying things out.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 takes every core.")] = 0,
) -> None:
    """Make the demo corpus: real recordings of people, spoofed by different methods. Skips what is done."""
    from fsd_model.corpus import make_corpus
    from fsd_model.progress import progress_bar

    with progress_bar("corpus") as progress:
        summary = make_corpus(out, "tiny" if tiny else "demo", jobs, progress)
    for split, files in summary.files.items():
        bonafide, attacks = files["-"], [name for name in files if name != "-"]
        spoof = sum(files[name] for name in attacks)
        typer.echo(f"{split:5}  {bonafide} bona fide, {spoof} spoofed by {', '.join(attacks)}")
    if summary.left_out:
        typer.echo(f"left out (no speech synthesiser on this machine): {', '.join(summary.left_out)}")
    typer.echo(f"corpus: {out / 'LA'}  (digest {summary.digest[:12]})")
