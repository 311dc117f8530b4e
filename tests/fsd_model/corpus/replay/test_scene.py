"""Rooms and places keep to the ranges that their letters stand for, and the plan is even."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd_model.corpus.plan import SPLITS, Variant
from fsd_model.corpus.replay.plan import replay_plan
from fsd_model.corpus.replay.scene import (
    AREA_M2,
    ATTACKS,
    ENVIRONMENTS,
    T60_S,
    TALKER_M,
    draw_places,
    draw_room,
)
from fsd_model.corpus.voices import Split
from tests.fsd_model.support.trivial_measures import equal_error_rate

COUNTS = {"train": (400, 900), "dev": (200, 450), "eval": (350, 600)}


@settings(max_examples=200, deadline=None)
@given(environment=st.sampled_from(ENVIRONMENTS), seed=st.integers(0, 2**32))
def test_rooms_and_places_keep_to_their_letters(environment: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    room = draw_room(environment, rng)
    area = room.size_m[0] * room.size_m[1]
    low, high = AREA_M2[environment[0]]
    assert low * (1 - 1e-9) <= area <= high * (1 + 1e-9)
    assert T60_S[environment[1]][0] <= room.t60_s <= T60_S[environment[1]][1]
    distance = rng.uniform(*TALKER_M[environment[2]])
    places = np.array(draw_places(room, distance, rng))
    assert np.linalg.norm(places[0] - places[1]) == pytest.approx(distance)
    assert np.all(places > 0.14)
    assert np.all(places < np.array(room.size_m) - 0.14)


def test_letters_are_those_of_the_official_set() -> None:
    assert len(ENVIRONMENTS) == len(set(ENVIRONMENTS)) == 27
    assert len(ATTACKS) == len(set(ATTACKS)) == 9
    assert (ENVIRONMENTS[0], ENVIRONMENTS[-1], ATTACKS[0], ATTACKS[-1]) == ("aaa", "ccc", "AA", "CC")


@pytest.mark.parametrize("variant", ["demo", "tiny"])
@pytest.mark.parametrize("split", SPLITS)
def test_every_attack_and_environment_has_its_turn(variant: Variant, split: Split) -> None:
    here = [item for item in replay_plan(variant) if item.split == split]
    spoofs = [item for item in here if item.attack != "-"]
    if variant == "demo":
        assert (len(here) - len(spoofs), len(spoofs)) == COUNTS[split]
        pairs = Counter((item.environment, item.attack) for item in spoofs)
        assert len(pairs) == 243
        assert max(pairs.values()) - min(pairs.values()) <= 1
    attacks = Counter(item.attack for item in spoofs)
    assert set(attacks) == set(ATTACKS)
    assert max(attacks.values()) - min(attacks.values()) <= 1
    for kind in (spoofs, [item for item in here if item.attack == "-"]):
        environments = Counter(item.environment for item in kind)
        assert len(environments) == min(27, len(kind))
        assert max(environments.values()) - min(environments.values()) <= 1


@pytest.mark.parametrize("split", SPLITS)
def test_every_sentence_is_said_once_and_replayed_equally_often(split: Split) -> None:
    here = [item for item in replay_plan("demo") if item.split == split]
    said = Counter((item.voice.label, item.take) for item in here if item.attack == "-")
    replayed = Counter((item.voice.label, item.take) for item in here if item.attack != "-")
    assert set(said.values()) == {1}
    assert set(replayed) == set(said)
    assert max(replayed.values()) - min(replayed.values()) <= 1


@pytest.mark.parametrize("split", SPLITS)
def test_ids_do_not_tell_the_class(split: Split) -> None:
    here = [item for item in replay_plan("demo") if item.split == split]
    assert [item.utterance for item in here] == sorted(item.utterance for item in here)
    number = np.array([int(item.utterance[5:]) for item in here], dtype=float)
    real = np.array([item.attack == "-" for item in here])
    assert 0.45 <= equal_error_rate(number[real], number[~real]) <= 0.55
