"""Milliseconds an utterance of each part of augmentation: `python -m tests.bench.augmentation [THREADS ...]`.

Medians over 30 utterances of 3.5 s, in processor time, so other work on the machine counts little; last, by
wall clock, a batch of 64 utterances with everything on, by number of threads.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch

from fsd_model.augmentation.codec import through_codec
from fsd_model.augmentation.config import CODECS, AugmentConfig, NoiseConfig, RawBoostConfig, SpecConfig
from fsd_model.augmentation.noise import add_noise, open_noise
from fsd_model.augmentation.pipeline import Augmentation
from fsd_model.augmentation.rawboost import rawboost
from fsd_model.augmentation.spec_augment import draw_spans, spec_augment
from fsd_model.augmentation.stored_recordings import Recordings
from fsd_model.features.front_end import FeatureConfig, extract

WAVE = 0.1 * np.random.default_rng(0).standard_normal(56_000)
ALWAYS = {"probability": 1.0}


def milliseconds(
    step: Callable[[np.random.Generator], object],
    runs: int = 30,
    clock: Callable[[], float] = time.thread_time,
) -> float:
    times = []
    for seed in range(runs + 3):
        rng = np.random.default_rng(seed)
        began = clock()
        step(rng)
        times.append(clock() - began)
    return 1e3 * float(np.median(times[3:]))


def parts() -> None:
    for n in (1, 2, 3, 4, 5, 8):
        settings = RawBoostConfig(algorithm=n)
        print(f"rawboost {n:<25} {milliseconds(partial(rawboost, settings, WAVE)):8.2f}")
    print(f"noise, coloured {'':<18} {milliseconds(partial(add_noise, NoiseConfig(), None, WAVE)):8.2f}")
    with tempfile.TemporaryDirectory() as folder:
        soundfile.write(Path(folder) / "a.wav", np.tile(WAVE, 100), 16000)
        files = open_noise(Path(folder))
        print(f"noise, files {'':<21} {milliseconds(partial(add_noise, NoiseConfig(), files, WAVE)):8.2f}")
    for name in CODECS:
        cost = milliseconds(lambda rng, name=name: through_codec(WAVE, name, rng.uniform(0.3, 0.95)))
        print(f"codec {name:<28} {cost:8.2f}")
    for kind in ("f0_subband", "log_power_spectrum", "lfcc", "waveform"):
        features = extract(FeatureConfig(kind=kind), WAVE.astype(np.float32))
        cost = milliseconds(lambda _, kind=kind: extract(FeatureConfig(kind=kind), WAVE.astype(np.float32)))
        masks = milliseconds(partial(masked, torch.from_numpy(features)))
        print(f"front end {kind:<24} {cost:8.2f}   masks on it {masks:6.3f}")


def masked(features_FT: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    spans = [[span.start, span.stop] for span in draw_spans(SpecConfig(), features_FT.shape, rng)]
    return spec_augment(SpecConfig(), features_FT[None], torch.tensor([spans]))


def batches(threads: int) -> None:
    samples = np.zeros((64, 1, 80_000), dtype=np.int16)
    samples[:, 0, :56_000] = WAVE * 32767
    names = [f"U{n}" for n in range(64)]
    recordings = Recordings(samples, np.full(64, 56_000, np.int32), {name: n for n, name in enumerate(names)})
    config = AugmentConfig(rawboost=ALWAYS, noise=ALWAYS, codec=ALWAYS, spec=ALWAYS)
    augmentation = Augmentation(config, FeatureConfig(), 1, threads, recordings)
    clean = np.zeros((64, 45, 600), dtype=np.float32)
    cost = milliseconds(
        lambda rng: augmentation.batch(clean, names, int(rng.integers(9))), 3, time.perf_counter
    )
    print(f"all on, f0_subband, {threads} threads {'':<6} {cost / 64:8.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    parts()
    for threads in map(int, sys.argv[1:] or ["1", "2"]):
        batches(threads)
