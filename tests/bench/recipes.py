"""The ways to features that the benchmarks compare with, and the corpus that all are measured on.

Shapes: S samples, K bins, T frames.
"""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import scipy.signal
import soundfile
import torch

from fsd_model.corpus.logical_access import make_corpus
from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.data.utterance import Utterance
from fsd_model.features.front_end import FRAMES, LOG_FLOOR, MAX_SAMPLES, tile

DEMO = Path(__file__).parents[2] / "build" / "demo" / "corpus"
_WINDOW = torch.blackman_window(1728, periodic=False)


def corpus(folder: Path) -> list[Utterance]:
    """The training split of the demo corpus in `build/`, else of its small form, made in `folder`."""
    root = DEMO
    if not (root / "LA").is_dir():
        root = folder / "corpus"
        make_corpus(root, "tiny")
    return list(read_split(DataConfig(root=root), "train"))


def librosa_recipe(path: Path) -> np.ndarray:
    """As the method's authors extract: librosa, all 865 bins, float32; (45, 600)."""
    waveform_S, _ = librosa.load(path, sr=16000)
    emphasised_S = np.append(waveform_S[0], waveform_S[1:] - 0.97 * waveform_S[:-1])[:MAX_SAMPLES]
    spectrum_KT = librosa.stft(
        emphasised_S, n_fft=1728, hop_length=130, win_length=1728, window=scipy.signal.windows.blackman
    )
    return tile(np.log(np.abs(spectrum_KT) + LOG_FLOOR)[:45], FRAMES)


def torch_recipe(path: Path) -> np.ndarray:
    """What one would write today: soundfile and a float32 `torch.stft`; (45, 600)."""
    waveform_S = torch.from_numpy(soundfile.read(path, dtype="float32")[0][:MAX_SAMPLES])
    emphasised_S = torch.cat([waveform_S[:1], waveform_S[1:] - 0.97 * waveform_S[:-1]])
    spectrum_KT = torch.stft(
        emphasised_S, 1728, 130, window=_WINDOW, pad_mode="constant", return_complex=True
    )
    return tile(torch.log(spectrum_KT[:45].abs() + LOG_FLOOR).numpy(), FRAMES)


def apart(one: list[np.ndarray], other: list[np.ndarray]) -> str:
    """How far two lists of features are apart: in the mean and at most, in log units."""
    difference = np.abs(np.stack(one).astype(np.float64) - np.stack(other))
    return f"mean {difference.mean():.2g}, max {difference.max():.2g} log units"
