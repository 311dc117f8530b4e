"""The training and development splits of an ASVspoof 2019 corpus, and the terms all data share.

The evaluation split is out of reach from here on purpose (see `evaluation_data`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fsd_model.errors import InputError
from fsd_model.protocol import BONAFIDE, SPOOF, Track, Utterance, read_protocol, track_folder

__all__ = ["BONAFIDE", "SPOOF", "Split", "Track", "Utterance", "read_split"]

Split = Literal["train", "dev"]

_SUFFIX = {"train": "train.trn", "dev": "dev.trl"}


def read_split(root: Path, track: Track, split: Split) -> list[Utterance]:
    """Read the training or the development split.

    Args:
        root: folder that holds `ASVspoof2019_<track>_cm_protocols`, or its parent with `<track>/` in it.
        track: "LA" or "PA".
        split: "train" or "dev".

    Returns:
        Utterances in protocol order, both classes present, every audio file there.

    Raises:
        InputError: another split, a folder that is not the corpus, or a bad protocol line (`FILE:LINE: ...`).
    """
    if split not in _SUFFIX:
        raise InputError(
            f"split must be train or dev, got `{split}`; the evaluation split is scored once, at the end"
        )
    folder = track_folder(Path(root), track)
    protocol = folder / f"ASVspoof2019_{track}_cm_protocols" / f"ASVspoof2019.{track}.cm.{_SUFFIX[split]}.txt"
    return read_protocol(protocol, folder / f"ASVspoof2019_{track}_{split}" / "flac", track)
