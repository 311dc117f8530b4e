"""From FLAC files to 45 x 600 features, files per second and core, and what of it is decoding."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import miniaudio
import numpy as np
import soundfile
import torch

from fsd_model.data.audio import read_audio
from fsd_model.features.front_end import FeatureConfig, extract
from tests.bench.recipes import apart, corpus, librosa_recipe, torch_recipe
from tests.bench.side_by_side import Row, in_turns

FILES, REPEATS = 60, 7
FRONT_END = FeatureConfig()


def exact(path: Path) -> np.ndarray:
    return extract(FRONT_END, read_audio(path))


def by_miniaudio(path: Path) -> np.ndarray:
    samples_S = np.asarray(miniaudio.flac_read_s16(path.read_bytes()).samples)
    return samples_S.astype(np.float32) / np.float32(32768)


def inserted(data: bytes) -> bytes:
    """A FLAC with bytes of another kind between two of its frames, which a decoder should refuse."""
    starts = [place for place in range(8_000, len(data)) if data[place : place + 2] == b"\xff\xf8"]
    place = starts[len(starts) // 2]
    return data[:place] + b"damage" * 4 + data[place:]


def accepted(paths: list[Path]) -> int:
    """How many of so damaged files miniaudio decodes without a word; `read_audio` refuses all."""
    count = 0
    for path in paths:
        samples = soundfile.info(path).frames
        try:
            count += len(miniaudio.flac_read_s16(inserted(path.read_bytes())).samples) == samples
        except miniaudio.DecodeError:
            continue
    return count


def rows() -> list[Row]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        utterances = corpus(folder)
        paths = [u.path for u in random.Random(1).sample(utterances, min(FILES, len(utterances)))]
        return compare(paths)


def compare(paths: list[Path]) -> list[Row]:
    sides = {
        "exact": exact, "librosa": librosa_recipe, "torch": torch_recipe,
        "soundfile": read_audio, "miniaudio": by_miniaudio,
    }  # fmt: skip
    seconds = in_turns({k: lambda f=f: [f(path) for path in paths] for k, f in sides.items()}, REPEATS)
    rate = {name: len(paths) / value for name, value in seconds.items()}
    results = {name: [sides[name](path) for path in paths] for name in ("exact", "librosa", "torch")}
    damaged = accepted(paths)

    def row(ours: str, reference: str, goal: float | None, figure: str, note: str = "") -> Row:
        deviation = apart(results[ours], results[reference])
        ratio = rate[ours] / rate[reference]
        return Row(figure, rate[ours], rate[reference], "files/s per core", ratio, goal, deviation, note=note)

    same = all(np.array_equal(read_audio(path), by_miniaudio(path)) for path in paths)
    return [
        row("exact", "librosa", 3.5, "FLAC to features, exact window, against librosa",
            "float64 against librosa's float32, which drowns quiet bins next to loud ones"),
        row("exact", "torch", None, "FLAC to features, exact window, against soundfile + torch.stft float32"),
        Row("decoding with checks, soundfile, against miniaudio without", rate["soundfile"],
            rate["miniaudio"], "files/s per core", rate["soundfile"] / rate["miniaudio"], None,
            "equal" if same else "samples differ",
            note=f"not used: miniaudio decoded {damaged} of {len(paths)} FLACs with bytes between two frames,"
            " which soundfile refuses"),
    ]  # fmt: skip
