"""The ONNX detector in 8 bits, with EER on dev of both, 8-bit and float."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fsd_model.atomic_write import replacing, write_text
from fsd_model.data.audio import read_audio
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.data.utterance import Utterance
from fsd_model.deployment.onnx_export import OnnxDetector, save_int8
from fsd_model.deployment.packaging import FILES, FORMATS_FILE, spread
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.progress import Progress

INT8_FILE = "detector.int8.onnx"

_RANGE_FILES = 100
"""Training utterances that the ranges of the activations are taken from."""


@dataclass(frozen=True)
class Int8Result:
    """Measurements on `utterances` of dev; rates are fractions, times are per utterance on one thread.

    Attributes:
        eer, eer_float: EER of the 8-bit and of the float file.
        largest_difference: largest difference between their scores.
        milliseconds, milliseconds_float: computing time without reading audio.
    """

    utterances: int
    eer: float
    eer_float: float
    largest_difference: float
    milliseconds: float
    milliseconds_float: float


def add_int8(out: Path, data: DataConfig, progress: Progress | None = None) -> Int8Result:
    """Write `detector.int8.onnx`, measure it beside `detector.onnx` on dev, and record that in
    `formats.json`.

    Args:
        out: a folder that `package` wrote, with ONNX.
        data: a corpus with train (ranges) and dev (EER).
        progress: called with (done, total).

    Raises:
        InputError: no such corpus, or a faulty audio file.
    """
    train, dev = (read_split(data, split) for split in ("train", "dev"))
    with replacing(out / INT8_FILE) as temporary:
        save_int8(out / FILES["onnx"], temporary, (read_audio(u.path) for u in spread(train, _RANGE_FILES)))
    result = _compare(out, dev, progress)
    content = json.loads((out / FORMATS_FILE).read_text(encoding="utf-8"))
    write_text(out / FORMATS_FILE, json.dumps({**content, "int8": asdict(result)}, indent=2) + "\n")
    return result


def _compare(out: Path, dev: Sequence[Utterance], progress: Progress | None) -> Int8Result:
    runners = [OnnxDetector(out / name) for name in (INT8_FILE, FILES["onnx"])]
    scores_2N, seconds = np.empty((2, len(dev))), [0.0, 0.0]
    for place, utterance in enumerate(dev):
        waveform_BS = read_audio(utterance.path)[None]
        for row, run in enumerate(runners):
            began = time.perf_counter()
            scores_2N[row, place] = run(waveform_BS)[0][0]
            seconds[row] += time.perf_counter() - began
        if progress is not None:
            progress(place + 1, len(dev))
    labels_N = np.array([utterance.label for utterance in dev])
    eer, eer_float = (
        equal_error_rate(scores_N[labels_N == BONAFIDE], scores_N[labels_N == SPOOF]).rate
        for scores_N in scores_2N
    )
    difference = float(np.abs(scores_2N[0] - scores_2N[1]).max())
    own, other = (1000 * each / len(dev) for each in seconds)
    return Int8Result(len(dev), eer, eer_float, difference, own, other)
