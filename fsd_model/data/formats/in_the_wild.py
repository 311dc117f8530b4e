"""In-the-Wild: recordings of public figures. An evaluation set: this module opens no file.

Source: N. Mueller et al., "Does Audio Deepfake Detection Generalize?" (arXiv 2203.16263).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fsd_model.data.utterance import NO_ATTACK, Utterance
from fsd_model.errors import InputError
from fsd_model.labels import BONAFIDE, SPOOF

COLUMNS = ("file", "speaker", "label")
_LABELS = {"bona-fide": BONAFIDE, "spoof": SPOOF}
_ATTACK = "unknown"


def parse_row(row: Mapping[str, str], folder: Path) -> Utterance:
    """Return the utterance of one row of the list; every spoof has the attack `unknown`.

    Raises:
        InputError: no file, or a label other than bona-fide and spoof.
    """
    file, label = row["file"], row["label"]
    if not file or "/" in file or len(file.split()) != 1:
        raise InputError(f"file must be a name in the folder, got `{file}`; copy the list again")
    if label not in _LABELS:
        raise InputError(f"label must be bona-fide or spoof, got `{label}`; copy the list again")
    attack = NO_ATTACK if label == "bona-fide" else _ATTACK
    return Utterance(Path(file).stem, row["speaker"] or "-", attack, _LABELS[label], folder / file, "-")
