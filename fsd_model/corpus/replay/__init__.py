"""Track PA of the demo corpus: simulated replays.

physical_access.py   make_replay_corpus
plan.py              which files there are
render.py            samples of one file
scene.py             environments and attacks by their letters; rooms and places
room.py              impulse response of a room
loudspeaker.py       replay devices of three qualities
"""
