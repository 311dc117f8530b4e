"""Commands that know speech: the demo corpus, the final evaluation, scoring files.

Heavy imports happen inside the commands, so that `fsd-tuner --help` stays quick.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from fsd_model.evaluation import Evaluation

app = typer.Typer(no_args_is_help=True)
corpus_app = typer.Typer(no_args_is_help=True, help="The demo corpus.")
app.add_typer(corpus_app, name="corpus")


@corpus_app.command("make")
def corpus_make(
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
    typer.echo(str(summary))


@app.command()
def evaluate(
    detector: Annotated[Path, typer.Argument(help="Folder of an exported detector.")],
    split: Annotated[
        str, typer.Option(help="eval (unknown attacks; open it once, at the end) or dev.")
    ] = "eval",
    data: Annotated[Path | None, typer.Option(help="Corpus; default: the one it was trained on.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for scores; default: the detector's.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Threads that read audio; 0 takes every core.")] = 0,
) -> None:
    """Score a whole split with a detector: EER pooled and by attack, min t-DCF where ASV scores are there."""
    from fsd_model.detector import Detector
    from fsd_model.errors import InputError
    from fsd_model.evaluation import evaluate as run
    from fsd_model.progress import progress_bar

    if split not in ("dev", "eval"):
        raise InputError(f"--split: must be dev or eval, got `{split}`")
    chosen: Literal["dev", "eval"] = "eval" if split == "eval" else "dev"
    loaded = Detector.load(detector)
    folder = out or detector
    earlier = _earlier(folder / f"{chosen}.json")
    with progress_bar(f"scoring {chosen}") as progress:
        root = data or Path(loaded.card.data_root)
        result = run(loaded, root, loaded.card.track, chosen, folder, jobs or os.cpu_count() or 1, progress)
    _show(result, folder, earlier if chosen == "eval" else None)


@app.command()
def score(
    detector: Annotated[Path, typer.Argument(help="Folder of an exported detector.")],
    files: Annotated[list[Path], typer.Argument(help="Audio files (FLAC, WAV, OGG).")],
) -> None:
    """Score audio files, one line each: file, score, decision, threshold. Higher = more bona fide."""
    from fsd_model.detector import Detector
    from fsd_model.errors import InputError

    loaded = Detector.load(detector)
    failed = 0
    for path in files:
        try:
            value = loaded.score_file(path)
        except InputError as error:
            typer.echo(f"error: {error}", err=True)
            failed += 1
            continue
        typer.echo(f"{path}\t{value:+.4f}\t{loaded.decide(value)}\tthreshold {loaded.card.threshold:+.4f}")
    if failed:
        raise typer.Exit(2)


def _earlier(path: Path) -> str | None:
    """When this split was scored before, if it was."""
    if not path.is_file():
        return None
    try:
        return str(json.loads(path.read_text())["when"])
    except (ValueError, KeyError):
        return None


def _show(result: Evaluation, folder: Path, earlier: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{result.split}: {result.utterances} utterances", title_justify="left")
    table.add_column("attack")
    table.add_column("EER %", justify="right")
    for attack, rate in result.eer_by_attack.items():
        table.add_row(attack, f"{100 * rate:.2f}")
    table.add_section()
    table.add_row("all", f"{100 * result.eer:.2f}")
    Console().print(table)
    typer.echo(
        f"at the detector's threshold: {100 * result.false_alarm:.2f} % of spoofs accepted, "
        f"{100 * result.miss:.2f} % of bona fide refused"
    )
    for form, value in result.min_tdcf.items():
        typer.echo(f"min t-DCF ({form}): {value:.4f}")
    typer.echo(f"scores: {folder / (result.split + '.scores.txt')}")
    if earlier:
        typer.echo(
            f"note: eval was opened before ({earlier}); choosing by these numbers would make them optimistic"
        )
