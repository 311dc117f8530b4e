"""Limits of what a server accepts."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

from fsd_model.data.audio_stream import AudioStream
from fsd_model.serving.refusal import RefusalError

SHORTEST_S = 0.1
LOWEST_RATE, HIGHEST_RATE = 4_000, 192_000
MOST_CHANNELS = 8
_VALUES_A_SECOND = 96_000  # of 48 kHz stereo


@dataclass(frozen=True)
class Limits:
    """Bounds of a request, and of all requests together.

    Attributes:
        max_bytes: largest size of an upload.
        max_seconds: longest audio.
        jobs: number of recordings scored at once, one thread each.
        receiving: number of further uploads on disk.
        waiting: number of requests that may wait, unread.
        patience_s: longest wait, and longest duration of an upload.
    """

    max_bytes: int = 20_000_000
    max_seconds: float = 600.0
    jobs: int = min(4, os.cpu_count() or 1)
    receiving: int = 4
    waiting: int = 256
    patience_s: float = 60.0

    def public(self) -> dict[str, float]:
        """Return the limits that a client should know."""
        values = asdict(self)
        return {"min_seconds": SHORTEST_S, **{name: values[name] for name in ("max_bytes", "max_seconds")}}

    def check_audio(self, stream: AudioStream) -> None:
        """Raise RefusalError by the header alone: a small file may announce, and decode to, any duration.

        Raises:
            RefusalError: 422, with the rule.
        """
        if not LOWEST_RATE <= stream.rate <= HIGHEST_RATE:
            rule = f"sampling rate must be {LOWEST_RATE} to {HIGHEST_RATE} Hz, got {stream.rate}"
        elif stream.channels > MOST_CHANNELS:
            rule = f"at most {MOST_CHANNELS} channels are mixed, got {stream.channels}"
        elif stream.duration_s > self.max_seconds:
            rule = f"audio must be at most {self.max_seconds:g} s long, got {stream.duration_s:.0f} s"
        elif stream.duration_s < SHORTEST_S:
            rule = f"audio must be at least {SHORTEST_S} s long, got {stream.duration_s:.3f} s"
        elif stream.frames * stream.channels > self.max_seconds * _VALUES_A_SECOND:
            rule = (
                f"audio must be no more to decode than {self.max_seconds:g} s of 48 kHz stereo, got"
                f" {stream.duration_s:.0f} s of {stream.rate} Hz with {stream.channels} channels"
            )
        else:
            return
        raise RefusalError(422, f"{rule}; convert or cut it")

    def too_large(self) -> RefusalError:
        """Return the refusal of an upload beyond the limit."""
        size = f"{self.max_bytes / 1e6:g} MB"
        return RefusalError(413, f"an upload must be at most {size}; cut the audio or send it as FLAC")
