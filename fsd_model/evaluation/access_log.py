"""The record of every opening of an evaluation split: when, by which detector, on what data.

The record lies in the study folder of the detector, else in the detector's folder. It is written before the
first recording is read, so that an interrupted evaluation counts, too. Entry points of the group below are
called with each opening. `fsd-tuner data check` reads the split's files, too, but no detector, so it is not
recorded.
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
    """One opening of an evaluation split.

    Attributes:
        when: UTC time, ISO 8601.
        detector: digest of the detector.
        folder: the detector's folder.
        data: folder of the corpus.
        track: track of the corpus.
        utterances: number of utterances of the split.
    """

    when: str
    detector: str
    folder: str
    data: str
    track: str
    utterances: int


def record_opening(opening: Opening, folder: Path) -> Path:
    """Append an opening to the record and call the entry points.

    Args:
        opening: the opening that follows.
        folder: the detector's folder.

    Returns:
        File of the record.

    Raises:
        InputError: it cannot be written; the split is not opened then.
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
    """Return the folder of a detector's record: the nearest study above it, else the detector's own."""
    folder = folder.resolve()
    return next((above for above in folder.parents if (above / "study.yaml").is_file()), folder)


def read_openings(place: Path) -> list[Opening]:
    """Read the record of a study's or detector's folder; empty if nothing was opened.

    Raises:
        InputError: a faulty line, named as `FILE:LINE`.
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
