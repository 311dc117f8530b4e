"""`fsd-tuner package`: a detector as ONNX, torch.export and TorchScript."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fsd_model.commands.options import AllowCodeOption, DetectorArgument

if TYPE_CHECKING:
    from fsd_model.data.training_splits import DataConfig


def package(
    detector: DetectorArgument,
    onnx: Annotated[bool, typer.Option("--onnx", help="Write detector.onnx.")] = False,
    torch_export: Annotated[bool, typer.Option("--torch-export", help="Write detector.pt2.")] = False,
    torchscript: Annotated[bool, typer.Option("--torchscript", help="Write detector.torchscript.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Also write detector.int8.onnx and measure its EER on dev.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Output folder; default: the detector's folder.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Corpus to check on; default: the one of training.")
    ] = None,
    allow_code: AllowCodeOption = False,
) -> None:
    """Write a detector in forms that run elsewhere, front end included, each checked against the package.

    Default: --onnx and --torch-export.

    Example: fsd-tuner package runs/la/detector --onnx --out formats
    """
    from fsd_model.deployment.packaging import package as run
    from fsd_model.detector.detector import Detector
    from fsd_model.errors import InputError

    loaded, folder = Detector.load(detector, allow_code), out or detector
    if int8 or not (onnx or torch_export or torchscript):
        onnx, torch_export = True, torch_export or not int8
    corpus = loaded.card.data
    if data is not None:
        corpus = corpus.model_copy(update={"root": data.absolute(), "format": "auto"})
    if int8 and not corpus.root.exists():
        raise InputError(
            f"{corpus.root}: --int8 needs the corpus (ranges from train, EER on dev), found none; give --data"
        )
    chosen = {"onnx": onnx, "torch_export": torch_export, "torchscript": torchscript}
    formats = run(loaded, folder, [form for form, selected in chosen.items() if selected], corpus)  # type: ignore[misc]
    _show(formats, folder)
    if int8:
        _int8(folder, corpus)


def _show(formats: dict[str, Any], folder: Path) -> None:
    speech = formats["parity_files"]
    on = f"{speech} recordings of dev and on noise" if speech else "noise alone, without the corpus"
    typer.echo(f"{formats['polarity']}; input {formats['input']}")
    for name, form in formats["forms"].items():
        size = (folder / name).stat().st_size / 1e6
        typer.echo(f"{folder / name}: {size:.1f} MB, differs by at most {form['parity']:.1e} (on {on})")


def _int8(folder: Path, corpus: DataConfig) -> None:
    from fsd_model.deployment.int8 import INT8_FILE, add_int8
    from fsd_model.progress import progress_bar

    with progress_bar("int8 on dev") as progress:
        result = add_int8(folder, corpus, progress)
    size = (folder / INT8_FILE).stat().st_size / 1e6
    typer.echo(
        f"{folder / INT8_FILE}: {size:.1f} MB, dev EER {100 * result.eer:.2f} % (float"
        f" {100 * result.eer_float:.2f} %) on {result.utterances} utterances, scores differ by at most"
        f" {result.largest_difference:.3f}; {result.milliseconds:.1f} ms per utterance (float"
        f" {result.milliseconds_float:.1f} ms)"
    )
