"""Commands that know speech: the demo corpus, the final evaluation, scoring files.

Heavy imports happen inside the commands, so that `fsd-tuner --help` stays quick.
"""

from __future__ import annotations

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
    for split, files in summary.files.items():
        bonafide, attacks = files["-"], [name for name in files if name != "-"]
        spoof = sum(files[name] for name in attacks)
        typer.echo(f"{split:5}  {bonafide} bona fide, {spoof} spoofed by {', '.join(attacks)}")
    if summary.left_out:
        typer.echo(f"left out (no speech synthesiser on this machine): {', '.join(summary.left_out)}")
    typer.echo(f"corpus: {out / 'LA'}  (digest {summary.digest[:12]})")


@app.command()
def evaluate(
    detector: Annotated[Path, typer.Argument(help="Folder of an exported detector.")],
    split: Annotated[str, typer.Option(help="eval (open it once, at the end) or dev.")] = "eval",
    data: Annotated[Path | None, typer.Option(help="Corpus; default: the one it was trained on.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for scores; default: the detector's.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Threads that read audio; 0 takes every core.")] = 0,
) -> None:
    """Score a whole split with a detector: EER pooled and by attack, min t-DCF where ASV scores are there.

    A split that this detector has scored before is not scored again: the earlier numbers are shown.
    """
    from fsd_model.detector import Detector
    from fsd_model.errors import InputError
    from fsd_model.evaluation import earlier_evaluation
    from fsd_model.evaluation import evaluate as run
    from fsd_model.progress import progress_bar

    if split not in ("dev", "eval"):
        raise InputError(f"--split: must be dev or eval, got `{split}`")
    chosen: Literal["dev", "eval"] = "eval" if split == "eval" else "dev"
    loaded = Detector.load(detector)
    root, folder = (data or Path(loaded.card.data_root)).absolute(), out or detector
    result = earlier_evaluation(loaded, root, chosen, folder)
    if result is None:
        with progress_bar(f"scoring {chosen}") as progress:
            threads = jobs or os.cpu_count() or 1
            result = run(loaded, root, loaded.card.track, chosen, folder, threads, progress)
    _show(result, folder)


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


def _show(result: Evaluation, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"{result.split}: {result.utterances} utterances, scored {result.when}")
    table = Table("attack")
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
    if not result.min_tdcf:
        typer.echo("min t-DCF: needs the organisers' ASV scores, which this corpus does not have")
    typer.echo(f"scores: {folder / (result.split + '.scores.txt')}")
