"""The folder of a demo corpus: its summary `corpus.json`, its digest, and the check that it is complete."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from fsd_model.corpus.plan import SPLITS, Variant
from fsd_model.corpus.signals import SAMPLE_RATE_HZ
from fsd_model.corpus.track import LA, PA, Track
from fsd_model.corpus.voices import LICENCE
from fsd_model.errors import InputError


@dataclass(frozen=True, kw_only=True)
class CorpusSummary:
    """Content of a corpus folder; written as `corpus.json`, without what is None.

    Attributes:
        version: version of the code that makes the track.
        simulator: version of pyroomacoustics; PA only.
        files: number of files by split, then by attack ("-" for bona fide).
        left_out: attacks that the machine could not make (no speech synthesiser); LA only.
        recordings: digest of the source recordings.
        digest: digest of every protocol and audio file.
        licence: licence of the source recordings.
    """

    variant: Variant
    version: int
    simulator: str | None = None
    files: dict[str, dict[str, int]]
    left_out: list[str] | None = None
    recordings: str
    digest: str
    licence: str = LICENCE

    def write(self, path: Path) -> None:
        """Write `corpus.json`."""
        content = {key: value for key, value in asdict(self).items() if value is not None}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_flac(path: Path, samples_S: NDArray[np.int16]) -> None:
    """Write a 16-bit FLAC file at 16 kHz."""
    memory = io.BytesIO()  # soundfile reports a full disk as a decoding error; Path.write_bytes does not
    soundfile.write(memory, samples_S, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    path.write_bytes(memory.getvalue())


def digest(folder: Path, suffixes: tuple[str, ...]) -> str:
    """Return the SHA-256 over names and contents of all files below a folder with one of the suffixes."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.suffix in suffixes):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()


def finished_corpus(
    root: Path,
    track: Track,
    variant: Variant,
    version: int,
    recordings: str,
    left_out: list[str] | None = None,
) -> CorpusSummary | None:
    """Return the summary of the track in a corpus folder; None where there is room for the track.

    Raises:
        InputError: the folder holds something else, or the track without some of its files.
    """
    home = root / track.home
    others = {other.name for other in (LA, PA)} - {track.name}
    if not home.exists() or (home.is_dir() and {entry.name for entry in home.iterdir()} <= others):
        return None
    way_out = "delete it or choose another folder"
    try:
        summary = CorpusSummary(**json.loads(track.summary(root).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError(f"{home}: holds something other than a {track.title}; {way_out}") from None
    expected = (variant, version, recordings, left_out)
    if (summary.variant, summary.version, summary.recordings, summary.left_out) != expected:
        raise InputError(f"{home}: holds another corpus ({summary.variant}); {way_out}")
    for split in SPLITS:
        audio = track.audio(root, split)
        count, total = len(list(audio.glob("*.flac"))), sum(summary.files[split].values())
        if count != total or not track.protocol(root, split).is_file():
            raise InputError(f"{audio}: {count} files of {total}; {way_out}")
    return summary
