"""The answer to a recording: its score, a score per window, and a small spectrogram on request."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

import numpy as np

from fsd_model.data.audio import Waveform
from fsd_model.data.audio_stream import AudioStream, open_audio
from fsd_model.detector.detector import Detector
from fsd_model.detector.windows import WindowScores, plan_windows, score_blocks
from fsd_model.errors import InputError
from fsd_model.serving.limits import Limits
from fsd_model.serving.refusal import RefusalError
from fsd_model.serving.spectrogram import RANGE_DB, Spectrogram

_NAME = "upload"  # the client's file name is never used
POLARITY = "higher = more bona fide; a score from the threshold on is called bona fide, any other spoof"


def answer(detector: Detector, digest: str, file: IO[bytes], limits: Limits, picture: bool) -> dict[str, Any]:
    """Score an uploaded file; blocks, so call it in a separate thread.

    Args:
        detector: any detector.
        digest: digest of the detector.
        file: the file on disk; closed here.
        limits: limits of the audio.
        picture: whether to add a spectrogram.

    Returns:
        The answer of `POST /score`; see docs/serve.md.

    Raises:
        RefusalError: 415 for anything but a complete FLAC, WAV or OGG; 422 for audio that is too long, too
            short or unusual.
    """
    try:
        with file, open_audio(file, _NAME) as stream:
            limits.check_audio(stream)
            spectrogram = Spectrogram(stream.samples) if picture else None
            scores = score_blocks(
                detector,
                _watched(stream, spectrogram),
                stream.samples,
                plan_windows(detector.card.feature),
            )
    except InputError as error:
        raise RefusalError(415, str(error).removeprefix(f"{_NAME}: ")) from error
    if not np.isfinite(scores.scores).all():
        raise RefusalError(500, "the detector gives no finite score for this audio; train it again")
    image = {} if spectrogram is None else {"spectrogram": _image(spectrogram)}
    return {**_values(detector, scores), "duration_s": stream.duration_s, "detector": digest, **image}


def _values(detector: Detector, scores: WindowScores) -> dict[str, Any]:
    """Return the scores as JSON values; the first window's is `Detector.score` of the whole file."""
    windows = [
        {"start_s": start, "end_s": end, **asdict(detector.verdict(score))}
        for start, end, score in zip(
            scores.starts_s.tolist(), scores.ends_s.tolist(), scores.scores.tolist(), strict=True
        )
    ]
    return {
        **{key: windows[0][key] for key in ("score", "llr", "spoof_probability", "decision")},
        "threshold": detector.threshold if np.isfinite(detector.threshold) else None,
        "operating_point": detector.card.operating_point.model_dump(),
        "polarity": POLARITY,
        "mean": scores.mean,
        "worst": windows[scores.worst_at],
        "windows_called_spoof": sum(window["decision"] == "spoof" for window in windows),
        "windows": windows,
    }


def _watched(stream: AudioStream, spectrogram: Spectrogram | None) -> Iterator[Waveform]:
    for block_S in stream.blocks():
        if spectrogram is not None:
            spectrogram.add(block_S)
        yield block_S


def _image(spectrogram: Spectrogram) -> dict[str, Any]:
    shades_KT = spectrogram.picture()
    return {
        "rows": shades_KT.shape[0],
        "columns": shades_KT.shape[1],
        "top_hz": 8000,
        "range_db": RANGE_DB,
        "shades": base64.b64encode(shades_KT.tobytes()).decode(),
    }
