"""Makes one file of the replay corpus, in any process and in any order with the same result."""

from __future__ import annotations

import io
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from fsd_model.corpus.plan import BONAFIDE
from fsd_model.corpus.post_processing import finish
from fsd_model.corpus.replay.loudspeaker import Quality, draw_loudspeaker, play
from fsd_model.corpus.replay.plan import ReplayItem
from fsd_model.corpus.replay.room import through_room
from fsd_model.corpus.replay.scene import ATTACKER_M, TALKER_M, draw_places, draw_room
from fsd_model.corpus.signals import SAMPLE_RATE_HZ
from fsd_model.corpus.voices import utterances


def render(item: ReplayItem) -> NDArray[np.int16]:
    """Samples of one file.

    Bona fide: talker, room, microphone. Replay: talker, room, attacker's microphone, loudspeaker, the same
    room, microphone. Both then pass the finish of the demo corpus.
    """
    rng = np.random.default_rng(list(item.utterance.encode()))
    wave_S = utterances(item.voice, item.takes)[item.take]
    room = draw_room(item.environment, rng)
    if item.attack != BONAFIDE:
        places = draw_places(room, rng.uniform(*ATTACKER_M[item.attack[0]]), rng)
        stolen_S = through_room(wave_S, room, *places, rng)
        wave_S = play(stolen_S, draw_loudspeaker(cast("Quality", item.attack[1]), rng))
    places = draw_places(room, rng.uniform(*TALKER_M[item.environment[2]]), rng)
    return finish(through_room(wave_S, room, *places, rng), rng)


def write_replay_item(item: ReplayItem, folder: Path) -> None:
    """Makes one file and writes it as 16-bit FLAC."""
    memory = io.BytesIO()  # soundfile reports a full disk as a decoding error; Path.write_bytes does not
    soundfile.write(memory, render(item), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    (folder / f"{item.utterance}.flac").write_bytes(memory.getvalue())
