"""Samples of one file of the replay corpus, the same in any process and in any order."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from fsd_model.corpus.plan import NO_ATTACK, Item
from fsd_model.corpus.post_processing import finish
from fsd_model.corpus.replay.loudspeaker import Quality, draw_loudspeaker, play
from fsd_model.corpus.replay.room import through_room
from fsd_model.corpus.replay.scene import ATTACKER_M, TALKER_M, draw_places, draw_room
from fsd_model.corpus.voices import utterances


def render(item: Item, _: None) -> NDArray[np.int16]:
    """Return the samples of one file.

    Bona fide: talker, room, microphone. Replay: talker, room, attacker's microphone, loudspeaker, the same
    room, microphone. Both then pass the finish of the demo corpus.
    """
    rng = np.random.default_rng(list(item.utterance.encode()))
    wave_S = utterances(item.voice, item.takes)[item.take]
    room = draw_room(item.environment, rng)
    if item.attack != NO_ATTACK:
        places = draw_places(room, rng.uniform(*ATTACKER_M[item.attack[0]]), rng)
        stolen_S = through_room(wave_S, room, *places, rng)
        wave_S = play(stolen_S, draw_loudspeaker(cast("Quality", item.attack[1]), rng))
    places = draw_places(room, rng.uniform(*TALKER_M[item.environment[2]]), rng)
    return finish(through_room(wave_S, room, *places, rng), rng)
