"""`fsd-tuner corpus`: the demo corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The demo corpus.")


@app.command("make")
def make(
    out: Annotated[Path, typer.Argument(help="Output folder; gets LA/ or PA/ in the ASVspoof 2019 layout.")],
    track: Annotated[str, typer.Option(help="LA (synthesis and conversion) or PA (replay).")] = "LA",
    tiny: Annotated[
        bool, typer.Option("--tiny", help="About 100 files in seconds, for a first try.")
    ] = False,
    jobs: Annotated[int, typer.Option(metavar="N", min=0, help="Processes; 0 takes every core.")] = 0,
) -> None:
    """Make the demo corpus: real recordings of people, spoofed by different methods. Skips files that exist.

    Example: fsd-tuner corpus make build/corpus --tiny
    """
    from fsd_model.corpus.logical_access import make_corpus
    from fsd_model.corpus.replay.physical_access import make_replay_corpus
    from fsd_model.errors import InputError
    from fsd_model.progress import progress_bar

    if track not in ("LA", "PA"):
        raise InputError(f"--track: must be LA or PA, got `{track}`")
    with progress_bar("corpus") as progress:
        make_track = make_replay_corpus if track == "PA" else make_corpus
        summary = make_track(out, "tiny" if tiny else "demo", jobs, progress)
    for split, files in summary.files.items():
        bonafide, attacks = files["-"], [name for name in files if name != "-"]
        spoof = sum(files[name] for name in attacks)
        typer.echo(f"{split:5}  {bonafide} bona fide, {spoof} spoofed by {', '.join(attacks)}")
    if summary.left_out:
        typer.echo(f"left out (no speech synthesiser on this machine): {', '.join(summary.left_out)}")
    typer.echo(f"corpus: {out / track}  (digest {summary.digest[:12]})")
