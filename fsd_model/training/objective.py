"""The objective of a search: known attacks (dev), or attacks held out of the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from fsd_model.errors import InputError
from fsd_model.settings import Settings

Groups = Mapping[str, tuple[str, ...]]
_Attacks = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class ObjectiveConfig(Settings):
    """The objective of a search.

    dev: EER on the development set, which has the attacks of the training set.
    unseen-attacks: leave-attack-out. Each fold trains without one group of attacks; its EER is that of dev's
    bona fide speech against the group's spoofs on dev. The detector itself is trained on all attacks.

    Attributes:
        name: the objective.
        groups: attacks that each fold holds out, by name; None for a fold per attack.
    """

    name: Literal["dev", "unseen-attacks"] = "dev"
    groups: dict[str, _Attacks] | None = None


def resolve_groups(groups: Groups | None, known: set[str]) -> dict[str, tuple[str, ...]]:
    """Return the groups of attacks to hold out, checked against the attacks that train and dev share.

    Args:
        groups: by name, or None for a group per attack.
        known: attacks that both train and dev have.

    Raises:
        InputError: an unknown attack, one in two groups, or nothing left to train on.
    """
    if not known:
        raise InputError(
            "objective.name: attacks to hold out must be in train and in dev, got none that both have;"
            " use dev, whose attacks are unseen as it is"
        )
    chosen: dict[str, tuple[str, ...]] = {attack: (attack,) for attack in sorted(known)}
    if groups is not None:
        chosen = dict(groups)
    seen: set[str] = set()
    for name, attacks in chosen.items():
        _check_group(name, attacks, known, seen)
        seen |= set(attacks)
    if len(chosen) < 2 or any(set(attacks) == known for attacks in chosen.values()):
        raise InputError(
            "objective.groups: at least two groups must be held out in turn and leave attacks to train on,"
            f" got {len(chosen)} of {len(known)} attacks; use objective dev where a corpus has one attack"
        )
    return chosen


def _check_group(name: str, attacks: tuple[str, ...], known: set[str], seen: set[str]) -> None:
    for attack in attacks:
        if attack not in known:
            raise InputError(
                f"objective.groups.{name}: attacks must be in train and in dev, got {attack};"
                f" both have {', '.join(sorted(known))}"
            )
        if attack in seen:
            raise InputError(
                f"objective.groups.{name}: an attack must be held out once, got {attack} again; remove one"
            )
