"""The demo corpus: `fsd-tuner corpus make`. Read it in this order:

logical_access.py    make_corpus: track LA, speech synthesis and voice conversion
plan.py              which files there are: ids, speakers, attacks
render.py            samples of one file
attacks/             a file per method, and the registry of attack ids
replay/              track PA: physical_access (make_replay_corpus), plan, render, scene, room, loudspeaker
make_track.py        protocols, audio and summary of either track, whole or not at all
track.py             names and paths of LA and PA
folder.py            corpus.json, digest, check for completeness, FLAC
workers.py           staging folder and worker processes
voices.py            speakers and their recordings
post_processing.py   last steps of every file, the same for both classes
codec.py             the Vorbis codec that every file passed once
signals.py           frames, spectra, mel bank, cepstra, resampling
recordings/          source recordings and their licences (data)
"""
