"""A few seconds of noise in files, and what a feature store has on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from fsd_model.data.utterance import Utterance


def make_corpus(folder: Path, count: int = 6) -> list[Utterance]:
    folder.mkdir()
    utterances = []
    for i in range(count):
        path = folder / f"U{i}.flac"
        noise = np.random.default_rng(i).normal(scale=0.05, size=9_000 + 2_000 * i)
        soundfile.write(path, noise, 16000)
        utterances.append(Utterance(f"U{i}", "S", "-" if i % 2 else "A01", i % 2, path, "-"))
    return utterances


def whole_stores(store: Path) -> list[Path]:
    return [path.parent for path in store.glob("*/about.json") if not path.parent.name.endswith(".tmp")]


def leftovers(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.name.endswith(".tmp")]
