"""The organisers' speaker-verification scores: `SOURCE KEY SCORE`, KEY one of target, nontarget, spoof."""

from __future__ import annotations

import math
from pathlib import Path

from fsd_model.errors import InputError
from fsd_model.metrics.t_dcf import AsvErrorRates

_KEYS = ("target", "nontarget", "spoof")


def read_asv_scores(path: Path) -> AsvErrorRates:
    """Read an official ASV score file (2019: `ASVspoof2019.LA.asv.eval.gi.trl.scores.txt`).

    Raises:
        InputError: `FILE:LINE: rule, got ..., way out`, or a class is missing.
    """
    by_key: dict[str, list[float]] = {key: [] for key in _KEYS}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: ASV score file must be readable text, got: {error}; copy it again"
        ) from error
    for number, line in enumerate(lines, start=1):
        columns = line.split()
        if len(columns) != 3 or columns[1] not in by_key:
            raise InputError(
                f"{path}:{number}: line must be `SOURCE target|nontarget|spoof SCORE`, got `{line}`"
            )
        by_key[columns[1]].append(_number(columns[2], f"{path}:{number}"))
    return AsvErrorRates.from_scores(*(by_key[key] for key in _KEYS))


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: score must be a finite number, got `{text}`; copy the file again")
    return value
