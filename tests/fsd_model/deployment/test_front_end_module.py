"""The exported front end equals the package's, on real speech and at every edge of a recording's length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fsd_model.data.audio import read_audio
from fsd_model.deployment.front_end_module import front_end_graph
from fsd_model.features.front_end import FeatureConfig, Kind, Pad, extract
from fsd_model.features.storage_format import as_stored

KINDS: list[Kind] = ["f0_subband", "log_power_spectrum", "lfcc", "waveform"]
LENGTHS = [1, 2, 3, 160, 864, 865, 5_000, 77_869, 77_870, 80_001]


def difference(config: FeatureConfig, waveform_S: np.ndarray) -> float:
    graph_BFT = front_end_graph(config)(torch.from_numpy(waveform_S)[None]).numpy()
    expected_FT = as_stored(config, extract(config, waveform_S))
    assert graph_BFT.dtype == np.float32
    assert graph_BFT.shape == (1, *expected_FT.shape)
    return float(np.abs(graph_BFT[0] - expected_FT).max())


@pytest.mark.parametrize("pad", ["zero", "reflect"])
@pytest.mark.parametrize("kind", ["f0_subband", "lfcc", "waveform"])  # LPS: the F0 subband with more rows
def test_every_length_gives_the_same_features(kind: Kind, pad: Pad) -> None:
    noise_S = np.random.default_rng(0).normal(scale=0.1, size=max(LENGTHS)).astype(np.float32)
    config = FeatureConfig(kind=kind, pad=pad)
    assert max(difference(config, noise_S[:length]) for length in LENGTHS) <= 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_real_speech_gives_the_same_features(kind: Kind, tiny_corpus: Path) -> None:
    files = sorted(tiny_corpus.glob("LA/*_dev/flac/*.flac"))[:4]
    assert max(difference(FeatureConfig(kind=kind), read_audio(file)) for file in files) <= 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_its_recordings(kind: Kind) -> None:
    graph = front_end_graph(FeatureConfig(kind=kind))
    waveform_BS = torch.randn(3, 9_000, generator=torch.manual_seed(0)) * 0.1
    alone = torch.cat([graph(each_S[None]) for each_S in waveform_BS])
    torch.testing.assert_close(graph(waveform_BS), alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_finite(kind: Kind) -> None:
    assert difference(FeatureConfig(kind=kind), np.zeros(20_000, np.float32)) == 0
