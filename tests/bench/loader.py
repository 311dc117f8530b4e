"""Batches of 64 from the feature store against data loaders that decode, and the memory of one trial more."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from fsd_model.data.utterance import Utterance
from fsd_model.features.feature_set import FeatureSet
from fsd_model.features.front_end import FeatureConfig
from fsd_model.features.store import open_features
from fsd_model.training.data import shuffled_batches
from tests.bench.recipes import apart, corpus, librosa_recipe, torch_recipe
from tests.bench.side_by_side import Row, in_turns

ROWS, BATCH, DECODED, TRIALS, REPEATS = 6_000, 64, 128, 3, 3
_TRIAL = """
import sys
from pathlib import Path
import torch
from tests.bench.loader import ROWS, epoch, repeated, stored
from tests.bench.recipes import corpus
torch.set_num_threads(1)
utterances = repeated(corpus(Path(sys.argv[1])), ROWS)
if sys.argv[2] == "reads":
    features = stored(Path(sys.argv[1]), utterances)
    epoch(features)
print("ready", flush=True)
sys.stdin.read()
"""


class Decoding(Dataset[tuple[torch.Tensor, int]]):
    """Features made when an item is asked for."""

    def __init__(self, utterances: list[Utterance], recipe: Callable[[Path], np.ndarray]) -> None:
        self.utterances, self.recipe = utterances, recipe

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        utterance = self.utterances[row]
        return torch.from_numpy(self.recipe(utterance.path)), int(utterance.label)


def repeated(utterances: list[Utterance], count: int) -> list[Utterance]:
    """`count` utterances of other names over the same files, for a store as large as a corpus."""
    return [replace(utterances[i % len(utterances)], name=f"U{i}") for i in range(count)]


def stored(folder: Path, utterances: list[Utterance]) -> FeatureSet:
    """The store in `folder`, filled by the first call."""
    found = open_features(folder / "store", utterances, FeatureConfig())
    labels_N = np.array([int(u.label) for u in utterances], dtype=np.int64)
    return FeatureSet(found.array, labels_N, found.utterances)


def epoch(features: FeatureSet) -> float:
    """Every row once, in batches on the processor; a value of each batch is looked at."""
    device = torch.device("cpu")
    batches = shuffled_batches(len(features.labels_N), BATCH, 1, 0)
    return sum(float(features.batch(rows_B, device)[0][0, 0, 0]) for rows_B in batches)


def private_bytes(process: int) -> int:
    """SearcherState that this process alone holds (USS)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def trials(folder: Path, what: str) -> float:
    """Median private bytes of processes that live at the same time and have read the store, or nothing."""
    command = [sys.executable, "-c", _TRIAL, str(folder), what]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(TRIALS)
    ]
    try:
        assert all(process.stdout and process.stdout.readline() == "ready\n" for process in running)
        return float(np.median([private_bytes(process.pid) for process in running]))
    finally:
        for process in running:
            process.communicate()


def rows() -> list[Row]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        utterances = repeated(corpus(folder), ROWS)
        features = stored(folder, utterances)
        return [*speed(features, utterances[:DECODED]), memory(folder, features)]


def speed(features: FeatureSet, utterances: list[Utterance]) -> list[Row]:
    recipes = {"torch": torch_recipe, "librosa": librosa_recipe}
    loaders = {
        name: DataLoader(Decoding(utterances, recipe), batch_size=BATCH, shuffle=True)
        for name, recipe in recipes.items()
    }
    sides = {name: lambda loader=loader: [0 for _ in loader] for name, loader in loaders.items()}
    seconds = in_turns({"ours": lambda: epoch(features), **sides}, REPEATS)
    ours = ROWS / seconds["ours"]
    got_BFT = features.features(np.arange(BATCH))
    named = {"torch": ("soundfile + torch.stft", 100.0), "librosa": ("librosa", None)}
    return [
        Row(f"batches of 64 after preparation, against a DataLoader with {words}", ours,
            DECODED / seconds[name], "samples/s", ours * seconds[name] / DECODED, goal,
            apart(list(got_BFT), [recipes[name](u.path) for u in utterances[:BATCH]]),
            note="no worker processes on either side; ours from a warm page cache")
        for name, (words, goal) in named.items()
    ]  # fmt: skip


def memory(folder: Path, features: FeatureSet) -> Row:
    reading, idle, size = trials(folder, "reads"), trials(folder, "nothing"), features.features_MFT.nbytes
    more = max(0.0, reading - idle)
    return Row(
        f"private memory of each of {TRIALS} trials at once, against a copy of the data",
        more / 2**20, size / 2**20, "MiB", more / size, 0.05, "equal", at_most=True,
        note="USS of processes that read every row, less that of processes that only list the utterances;"
        " mostly buffers of a batch, which do not grow with the data",
    )  # fmt: skip
