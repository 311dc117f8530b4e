"""How well each attack of dev is told from bona fide speech, epoch by epoch."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fsd_model.scoring import Scores, per_attack_eer
from fsd_model.training_data import FeatureSet


def dev_scores(dev: FeatureSet, values_N: Sequence[float]) -> Scores:
    """Scores by utterance of dev."""
    names = [utterance.name for utterance in dev.utterances]
    attacks = [utterance.attack for utterance in dev.utterances]
    return Scores(names, attacks, dev.labels_N, np.array(values_N))


def attack_rates(dev: FeatureSet, values_N: Sequence[float]) -> dict[str, float]:
    """EER of each attack against all bona fide speech, by metric name: `dev/eer_attack_A01`.

    What trackers refuse in names becomes `_`.
    """
    rates = per_attack_eer(dev_scores(dev, values_N))
    return {
        f"dev/eer_attack_{re.sub(r'[^A-Za-z0-9_. -]', '_', attack)}": eer.rate
        for attack, eer in rates.items()
    }
