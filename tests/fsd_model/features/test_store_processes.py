"""The feature store between processes, one of them killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fsd_model.data.audio import read_audio
from fsd_model.features.front_end import FeatureConfig, extract
from fsd_model.features.store import open_features
from tests.fsd_model.support.stored_corpus import leftovers, make_corpus, whole_stores

F0 = FeatureConfig(kind="f0_subband")

# A child process: opens the store, and reports what it decoded and what it got. With "pause" it stops in
# mid-build until a signal to continue; without it, it starts at a signal.
CHILD = """
import hashlib, json, sys
from pathlib import Path
import fsd_model.features.store as feature_store
from fsd_model.data.training_splits import Utterance
from fsd_model.features.front_end import FeatureConfig

folder, store, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
utterances = [Utterance(p.stem, "S", "A01", 0, p, "-") for p in sorted(folder.glob("*.flac"))]
decoded = []
decode = feature_store.decode_audio
feature_store.decode_audio = lambda data, path: decoded.append(path) or decode(data, path)

def progress(done, total):
    if mode == "pause" and done == 3:
        print("half", flush=True)
        sys.stdin.readline()

if mode == "start":
    print("ready", flush=True)
    sys.stdin.readline()
stored = feature_store.open_features(store, utterances, FeatureConfig(kind="f0_subband"), progress)
print(json.dumps([len(decoded), hashlib.sha256(stored.array.tobytes()).hexdigest(), stored.content_digest]))
"""


@contextmanager
def child(tmp_path: Path, mode: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "flac"), str(tmp_path / "store"), mode]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_three_processes_build_once(tmp_path: Path) -> None:
    make_corpus(tmp_path / "flac", count=12)
    with child(tmp_path, "start") as one, child(tmp_path, "start") as two, child(tmp_path, "start") as three:
        processes = [one, two, three]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        results = [json.loads(process.stdout.readline()) for process in processes]
        assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert sorted(result[0] for result in results) == [0, 0, 12]
    assert len({tuple(result[1:]) for result in results}) == 1
    assert len(whole_stores(tmp_path / "store")) == 1


def test_a_builder_killed_in_mid_build_leaves_nothing_taken_as_good(tmp_path: Path) -> None:
    utterances = make_corpus(tmp_path / "flac")
    with child(tmp_path, "pause") as process:
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert whole_stores(tmp_path / "store") == []
    assert leftovers(tmp_path / "store") != []  # the kill did come in mid-build
    stored = open_features(tmp_path / "store", utterances, F0)
    for row, utterance in zip(stored.array, utterances, strict=True):
        np.testing.assert_array_equal(row, extract(F0, read_audio(utterance.path)).astype(np.float16))
    assert leftovers(tmp_path / "store") == []
