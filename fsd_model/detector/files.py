"""The files of a detector folder, `detector.json` and `weights.safetensors`, and their digests.

The card's file contains two digests: of the weights file, and of its own other entries. They detect damage
and mixed-up files. They are no signature: whoever can write the folder can write them, too. Nothing here
unpickles."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fsd_model.atomic_write import replacing, write_text
from fsd_model.errors import InputError

CARD_FILE = "detector.json"
WEIGHTS_FILE = "weights.safetensors"
FORMAT = 3

_WEIGHTS, _CARD = "weights_sha256", "card_sha256"
_AGAIN = "export it again (`fsd-tuner train best.yaml`) or copy the whole folder again"


def write_weights(folder: Path, state: dict[str, Tensor]) -> str:
    """Write `weights.safetensors`, whole or not at all.

    Returns:
        SHA-256 of the file.

    Raises:
        InputError: full disk or no permission.
    """
    data = save(state)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / WEIGHTS_FILE) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise InputError(f"{folder}: cannot write the detector ({error}); free some space") from error
    return hashlib.sha256(data).hexdigest()


def write_card(folder: Path, card: dict[str, Any], weights_sha256: str) -> None:
    """Write `detector.json`: the card and both digests; raises as `write_text`."""
    content = {**card, _WEIGHTS: weights_sha256}
    sealed = {**content, _CARD: _digest(content)}
    write_text(folder / CARD_FILE, json.dumps(sealed, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_card(folder: Path) -> tuple[dict[str, Any], str]:
    """Read `detector.json`.

    Returns:
        The card's entries, checked only by digest, and the SHA-256 that the weights must have.

    Raises:
        InputError: a missing or damaged file, or another format.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise InputError(f"{path}: not a detector folder; give the folder that a search or training exported")
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a detector card ({error}); {_AGAIN}") from None
    if not isinstance(content, dict) or "format" not in content:
        raise InputError(f"{path}: not a detector card (no `format`); {_AGAIN}")
    if content["format"] != FORMAT:
        raise InputError(
            f"{path}: must have format {FORMAT}, got {content['format']!r} of another version; train the"
            " detector again (`fsd-tuner train best.yaml`) or use that version"
        )
    seal, weights = content.pop(_CARD, None), content.get(_WEIGHTS)
    if seal != _digest(content) or not isinstance(weights, str):
        raise InputError(
            f"{path}: was changed after the export (its {_CARD} differs); {_AGAIN}; prior and costs are"
            " given when deciding (--prior-spoof), another corpus with --data"
        )
    del content[_WEIGHTS]
    return content, weights


def read_weights(folder: Path, weights_sha256: str) -> dict[str, Tensor]:
    """Read `weights.safetensors`, if its digest is that of the card.

    Raises:
        InputError: a missing or other file, or no safetensors.
    """
    path = folder / WEIGHTS_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: weights must be readable, got: {error.strerror}; {_AGAIN}") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != weights_sha256:
        raise InputError(
            f"{path}: not this detector's weights (SHA-256 {digest[:12]}..., the card says"
            f" {weights_sha256[:12]}...); {_AGAIN}"
        )
    try:
        return load(data)
    except (SafetensorError, ValueError) as error:
        first = " ".join(str(error).split())
        raise InputError(f"{path}: weights must be safetensors, got others ({first}); {_AGAIN}") from None


def _digest(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a card's entries, independent of order and layout."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
