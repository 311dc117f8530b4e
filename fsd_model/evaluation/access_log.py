"""Every opening of an evaluation split is on record: when, by which detector, on what data.

The record lies beside the study that the detector comes from, else beside the detector, and is written before
the first recording is read, so that an evaluation that was broken off counts too. Whoever tracks studies
elsewhere is told through the entry-point group below.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from pathlib import Path

from fsd_model.errors import InputError

FILE = "openings.jsonl"
GROUP = "fsd_tuner.openings"


@dataclass(frozen=True)
class Opening:
    """One opening.

    Attributes:
        when: UTC time, ISO 8601.
        detector: digest of the detector.
        folder: the detector's folder.
        data: folder of the corpus.
        track: of the corpus.
        utterances: how many the split has.
    """

    when: str
    detector: str
    folder: str
    data: str
    track: str
    utterances: int


def record_opening(opening: Opening, folder: Path) -> Path:
    """Append an opening to the record and tell whoever listens.

    Args:
        opening: what is about to be opened.
        folder: the detector's folder.

    Returns:
        The record's file.

    Raises:
        InputError: it cannot be written; the split then stays closed.
    """
    place = place_of(folder)
    file = place / FILE
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(opening)) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise InputError(
            f"{file}: every opening of eval must be recorded, got: {error.strerror}; make it writable"
        ) from error
    for entry in entry_points(group=GROUP):
        try:
            entry.load()(place, asdict(opening))
        except Exception as error:  # noqa: BLE001 - the record stands; a listener must not end an evaluation
            print(f"warning: {entry.name} did not note the opening of eval: {error}", file=sys.stderr)
    return file


def place_of(folder: Path) -> Path:
    """Where the record of a detector's folder lies: the nearest study above it, else the folder itself."""
    folder = folder.resolve()
    return next((above for above in folder.parents if (above / "study.yaml").is_file()), folder)


def read_openings(place: Path) -> list[Opening]:
    """The record of a study's or detector's folder; empty where nothing was opened.

    Raises:
        InputError: `FILE:LINE`, a line that is no opening.
    """
    file = place / FILE
    if not file.is_file():
        return []
    openings = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            openings.append(Opening(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{file}:{number}: no record of an opening ({error}); restore the file"
            ) from error
    return openings
