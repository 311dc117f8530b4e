"""Leave-attack-out folds: training data without a group of attacks, and that group as the target."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from fsd_model.errors import InputError
from fsd_model.features.feature_set import FeatureSet
from fsd_model.labels import BONAFIDE
from fsd_model.training.data import TrainingData


@dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes:
        held_out: attacks that the training does not see.
        data: train and dev without them; dev selects the epoch, as it does for the detector itself.
        target: the bona fide speech of dev and its spoofs by the held-out attacks.
    """

    held_out: tuple[str, ...]
    data: TrainingData
    target: FeatureSet


def shared_attacks(data: TrainingData) -> set[str]:
    """Return the attacks that both train and dev have."""
    return _attacks(data.train) & _attacks(data.dev)


def leave_out(data: TrainingData, held_out: tuple[str, ...]) -> Fold:
    """Return the fold that holds out `held_out`; made of views of `data`, nothing is copied.

    Raises:
        InputError: an attack that train or dev does not have, or none left to train on.
    """
    missing = set(held_out) - shared_attacks(data)
    if missing:
        raise InputError(
            f"held-out attacks must be in train and in dev, got {', '.join(sorted(missing))}; name others"
        )
    train, dev = _without(data.train, held_out), _without(data.dev, held_out)
    if not _attacks(train):
        raise InputError(f"a fold must leave attacks to train on, got all held out: {', '.join(held_out)}")
    others = _attacks(data.dev) - set(held_out)
    digest = f"{data.digest} without {','.join(sorted(held_out))}"
    known = replace(data, train=train, dev=dev, digest=digest)
    return Fold(held_out, known, _without(data.dev, others))


def _attacks(split: FeatureSet) -> set[str]:
    return {u.attack for u in split.utterances if u.label != BONAFIDE}


def _without(split: FeatureSet, attacks: Collection[str]) -> FeatureSet:
    keep = [row for row, utterance in enumerate(split.utterances) if utterance.attack not in attacks]
    return split.select(np.array(keep, dtype=np.int64))
