"""Warnings about a set of scores; they are reported, and scores are never corrected."""

from __future__ import annotations

import numpy as np

from fsd_model.scores.eer_by_group import pooled_eer
from fsd_model.scores.score_file import Scores


def oddities(scores: Scores) -> list[str]:
    """Return a sentence for each: collapsed scores, few distinct scores, flipped polarity."""
    distinct, count = len(np.unique(scores.values)), len(scores.values)
    found = []
    if distinct == 1:
        found.append(f"all scores are {scores.values[0]:g}: the detector has collapsed and tells nothing")
    elif 10 * distinct <= count:
        found.append(f"only {distinct} distinct scores for {count} utterances: the figures rest on ties")
    rate = pooled_eer(scores).rate
    if rate > 0.5:
        found.append(
            f"EER {100 * rate:.2f} % is above 50 %: scores look flipped (higher must mean more bona fide)"
            " or are no better than chance; nothing was turned round"
        )
    return found
