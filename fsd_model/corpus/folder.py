"""The folder of a demo corpus: where its files lie, what it says about itself, whether it is complete."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fsd_model.corpus.plan import SPLITS, Variant
from fsd_model.corpus.voices import LICENCE, Split
from fsd_model.errors import InputError

_SUMMARY_FILE = "corpus.json"


@dataclass(frozen=True)
class CorpusSummary:
    """What a corpus folder holds; written as `corpus.json`.

    Attributes:
        version: of the maker.
        files: number of files by split, then by attack id ("-" for bona fide).
        left_out: attack ids that the machine could not make (no speech synthesiser).
        recordings: digest of the source recordings.
        digest: digest of every protocol and audio file.
        licence: that of the source recordings.
    """

    variant: Variant
    version: int
    files: dict[str, dict[str, int]]
    left_out: list[str]
    recordings: str
    digest: str
    licence: str = LICENCE


def protocol_path(root: Path, split: Split) -> Path:
    """Protocol file of a split under the folder that holds `LA/`."""
    kind = "trn" if split == "train" else "trl"
    return root / "LA" / "ASVspoof2019_LA_cm_protocols" / f"ASVspoof2019.LA.cm.{split}.{kind}.txt"


def audio_folder(root: Path, split: Split) -> Path:
    """Folder of a split's FLAC files under the folder that holds `LA/`."""
    return root / "LA" / f"ASVspoof2019_LA_{split}" / "flac"


def digest(folder: Path, suffixes: tuple[str, ...]) -> str:
    """SHA-256 over names and contents of the files below a folder that end so."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.suffix in suffixes):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()


def write_summary(root: Path, summary: CorpusSummary) -> None:
    """Writes `corpus.json`."""
    (root / _SUMMARY_FILE).write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")


def finished_corpus(
    root: Path, variant: Variant, version: int, left_out: list[str], recordings: str
) -> CorpusSummary | None:
    """The summary of the corpus that a folder holds; None where the folder is free.

    Raises:
        InputError: the folder holds something else, or not all of it.
    """
    if not root.exists() or (root.is_dir() and {entry.name for entry in root.iterdir()} <= {"PA"}):
        return None
    way_out = "delete it or choose another folder"
    try:
        found = CorpusSummary(**json.loads((root / _SUMMARY_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError(f"{root}: holds something other than a demo corpus; {way_out}") from None
    same = (found.variant, found.version, found.left_out) == (variant, version, left_out)
    if not same or found.recordings != recordings:
        raise InputError(f"{root}: holds another corpus ({found.variant}); {way_out}")
    for split in SPLITS:
        present = len(list(audio_folder(root, split).glob("*.flac")))
        wanted = sum(found.files[split].values())
        if present != wanted or not protocol_path(root, split).is_file():
            raise InputError(f"{audio_folder(root, split)}: {present} files of {wanted}; {way_out}")
    return found


_SUMMARY_FILE = "corpus.json"


@dataclass(frozen=True)
class ReplaySummary:
    """What a replay corpus holds; written as `PA/corpus.json`.

    Attributes:
        version: of the maker.
        simulator: version of pyroomacoustics that made it.
        files: number of files by split, then by attack ("-" for bona fide).
        recordings: digest of the source recordings.
        digest: digest of every protocol and audio file.
        licence: that of the source recordings.
    """

    variant: Variant
    version: int
    simulator: str
    files: dict[str, dict[str, int]]
    recordings: str
    digest: str
    licence: str = LICENCE


def replay_protocol(track: Path, split: Split) -> Path:
    """Protocol file of a split under the folder `PA/`."""
    kind = "trn" if split == "train" else "trl"
    return track / "ASVspoof2019_PA_cm_protocols" / f"ASVspoof2019.PA.cm.{split}.{kind}.txt"


def replay_audio(track: Path, split: Split) -> Path:
    """Folder of a split's FLAC files under the folder `PA/`."""
    return track / f"ASVspoof2019_PA_{split}" / "flac"


def write_replay_summary(track: Path, summary: ReplaySummary) -> None:
    """Writes `corpus.json`."""
    (track / _SUMMARY_FILE).write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")


def finished_replay(track: Path, variant: Variant, version: int, recordings: str) -> ReplaySummary | None:
    """The summary of the corpus that a folder `PA/` holds; None where the folder is free.

    Raises:
        InputError: the folder holds something else, or not all of it.
    """
    if not track.exists() or (track.is_dir() and not any(track.iterdir())):
        return None
    way_out = "delete it or choose another folder"
    try:
        found = ReplaySummary(**json.loads((track / _SUMMARY_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError(f"{track}: holds something other than a replay demo corpus; {way_out}") from None
    if (found.variant, found.version, found.recordings) != (variant, version, recordings):
        raise InputError(f"{track}: holds another corpus ({found.variant}); {way_out}")
    for split in SPLITS:
        present = len(list(replay_audio(track, split).glob("*.flac")))
        wanted = sum(found.files[split].values())
        if present != wanted or not replay_protocol(track, split).is_file():
            raise InputError(f"{replay_audio(track, split)}: {present} files of {wanted}; {way_out}")
    return found
