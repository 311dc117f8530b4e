"""A detector in forms that run without this package, each checked to reproduce the package's scores.

One folder contains the detector itself and the requested forms: `detector.onnx`, `detector.pt2`
(torch.export), `detector.torchscript`, `detector.int8.onnx`; `formats.json` has inputs, outputs and
measurements of each.

Shapes: S samples.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from fsd_model.atomic_write import replacing, write_text
from fsd_model.data.audio import SAMPLE_RATE, Waveform, read_audio
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.data.utterance import Utterance
from fsd_model.deployment.exported_program import (
    Runner,
    exported_program,
    load_program,
    load_torchscript,
    save_program,
    save_torchscript,
)
from fsd_model.deployment.onnx_export import OPSET, OnnxDetector, check_installed, save_onnx
from fsd_model.detector.detector import Detector
from fsd_model.detector.files import CARD_FILE
from fsd_model.errors import InputError

Form: TypeAlias = Literal["onnx", "torch_export", "torchscript"]

FILES: dict[Form, str] = {
    "onnx": "detector.onnx",
    "torch_export": "detector.pt2",
    "torchscript": "detector.torchscript",
}
FORMATS_FILE = "formats.json"
PARITY = 1e-4
PARITY_FILES = 50
CONTRACT = {
    "input": f"waveform: float32 (recordings, samples), both from 1; {SAMPLE_RATE} Hz, mono, in [-1, 1]",
    "outputs": "score: float32 (recordings,); llr: float32 (recordings,), natural logarithm",
    "front_end": "inside, with crop, padding and tiling; resampling and the check for NaN are not",
}

_LENGTHS = (400, 900, 30_000, 64_600, 80_001)


def package(
    detector: Detector, out: Path, forms: Collection[Form], data: DataConfig | None = None
) -> dict[str, Any]:
    """Write a detector and other forms of it.

    Args:
        detector: with the folder that it was loaded from.
        out: that folder, or a new one for a copy of the detector.
        forms: forms to write.
        data: corpus on whose dev split parity is checked; None for the card's corpus.

    Returns:
        The contents of `formats.json`: `forms` by file name with `parity`, the largest difference of a score
        from the package's, and `sha256`; `parity_files`, number of dev recordings it was measured on, besides
        noise of unusual lengths (0 without the corpus).

    Raises:
        InputError: `out` contains another detector or cannot be written, a network that cannot be exported
            or leaves early, missing packages, or scores that differ by more than `PARITY`; such a file is
            deleted.
    """
    _refuse_early(detector)
    if "onnx" in forms:
        check_installed()
    _place(detector, out)
    speech = _speech(data or detector.card.data)
    probes = [*_noise(), *speech]
    expected = [detector.score(waveform_S) for waveform_S in probes]
    about = describe(detector)
    written = {}
    for form, write, load in _writers(detector, forms, about):
        path = out / FILES[form]
        with replacing(path) as temporary:
            write(temporary)
            parity = _parity(load(temporary), probes, expected, path, detector)
        written[path.name] = {"parity": parity, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    formats = {**about, "opset": OPSET, "parity_files": len(speech), "forms": written}
    write_text(out / FORMATS_FILE, json.dumps(formats, indent=2) + "\n")
    return formats


def _refuse_early(detector: Detector) -> None:
    if detector.card.exits.use == "early":
        raise InputError(
            f"{detector.folder}: leaves early: its computation depends on the recording and has no fixed"
            " graph; export another use of the exits (fsd-tuner export DIR --exit N or --ensemble)"
        )


def describe(detector: Detector) -> dict[str, Any]:
    """Return the metadata of every file: inputs and outputs, polarity, calibration, decision, origin."""
    card = detector.card
    return {
        "producer": f"fsd-tuner {card.versions.get('fsd-tuner', '')}".strip(),
        **CONTRACT,
        "polarity": card.polarity,
        "calibration": card.calibration.model_dump(mode="json"),
        "operating_point": card.operating_point.model_dump(mode="json"),
        "detector": detector.digest(),
        "data_digest": card.data_digest,
        "dev_eer": card.dev.eer,
        "licence_of_training_data": card.licence,
    }


def _writers(
    detector: Detector, forms: Collection[Form], about: dict[str, Any]
) -> Iterator[tuple[Form, Callable[[Path], None], Callable[[Path], Runner]]]:
    text = json.dumps(about)
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
    program = exported_program(detector) if {"onnx", "torch_export"} & set(forms) else None
    if program is not None and "onnx" in forms:
        yield "onnx", lambda path: save_onnx(program, path, texts), OnnxDetector
    if program is not None and "torch_export" in forms:
        yield "torch_export", lambda path: save_program(program, path, text), load_program
    if "torchscript" in forms:
        yield "torchscript", lambda path: save_torchscript(detector, path, text), load_torchscript


def _place(detector: Detector, out: Path) -> None:
    if detector.folder is not None and out.resolve() == detector.folder.resolve():
        return
    if (out / CARD_FILE).exists():
        raise InputError(f"{out}: contains a detector already; give another folder (--out)")
    detector.save(out)


def _speech(data: DataConfig) -> list[Waveform]:
    """Return up to `PARITY_FILES` recordings spread over dev; none without the corpus."""
    if not data.root.exists():
        return []
    return [read_audio(utterance.path) for utterance in spread(read_split(data, "dev"), PARITY_FILES)]


def spread(utterances: Sequence[Utterance], count: int) -> list[Utterance]:
    """Return at most `count` items, evenly spaced from first to last."""
    places = np.unique(np.linspace(0, len(utterances) - 1, min(count, len(utterances))).round().astype(int))
    return [utterances[place] for place in places]


def _noise() -> list[Waveform]:
    rng = np.random.default_rng(0)
    return [rng.normal(scale=0.1, size=length).clip(-1, 1).astype(np.float32) for length in _LENGTHS]


def _parity(
    run: Runner, probes: Sequence[Waveform], expected: Sequence[float], path: Path, detector: Detector
) -> float:
    largest = 0.0
    for waveform_S, score in zip(probes, expected, strict=True):
        got, llr = (float(output[0]) for output in run(waveform_S[None]))
        differences = abs(got - score), abs(llr - detector.llr(got))
        if not max(differences) <= PARITY:
            raise InputError(
                f"{path}: must give the package's scores to {PARITY:g}, got {got:.6f} for {score:.6f} on a"
                f" recording of {len(waveform_S)} samples; it is not written, use the detector folder"
            )
        largest = max(largest, differences[0])
    return largest
