"""The licence that a corpus states."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from fsd_model.data.training_splits import DataConfig

NOT_STATED = "not stated"

_LONGEST = 500


def licence_of(data: DataConfig) -> str:
    """Return `licence` in the corpus's `corpus.json`, else the first line of its licence file, else "not
    stated".

    Looks in the folder of the corpus and in that of its track (`LA/`).
    """
    for folder in _folders(data):
        if licence := _summary(folder / "corpus.json") or _file(folder):
            return licence
    return NOT_STATED


def _folders(data: DataConfig) -> Iterator[Path]:
    root = data.root.parent if data.root.is_file() else data.root  # a manifest lies in its corpus
    yield from (root / data.track, root)


def _summary(path: Path) -> str | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        licence = content.get("licence", content.get("license"))
    except (OSError, ValueError, AttributeError):
        return None
    return " ".join(licence.split())[:_LONGEST] if isinstance(licence, str) and licence.strip() else None


def _file(folder: Path) -> str | None:
    names = sorted(folder.glob("LICEN[CS]E*")) if folder.is_dir() else []
    for path in names:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            continue
        first = next((" ".join(line.split()) for line in lines if line.strip()), "")
        return f"{first[:_LONGEST]} ({path.name})" if first else path.name
    return None
