"""Warnings about a set of scores; scores are reported as they are, never corrected."""

from __future__ import annotations

import numpy as np

from fsd_model.scores.eer_by_group import pooled_eer
from fsd_model.scores.score_file import Scores


def score_warnings(scores: Scores) -> list[str]:
    """Return a sentence per warning: collapsed scores, few distinct scores, flipped polarity."""
    distinct, count = len(np.unique(scores.values)), len(scores.values)
    warnings = []
    if distinct == 1:
        warnings.append(f"all scores are {scores.values[0]:g}: the detector has collapsed")
    elif 10 * distinct <= count:
        warnings.append(f"only {distinct} distinct scores for {count} utterances: the metrics depend on ties")
    rate = pooled_eer(scores).rate
    if rate > 0.5:
        warnings.append(
            f"EER {100 * rate:.2f} % is above 50 %: scores look flipped (higher must mean more bona fide)"
            " or are no better than chance; no sign was changed"
        )
    return warnings
