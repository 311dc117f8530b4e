"""Which recordings there are, and their samples.

utterance.py         Utterance: one line of a protocol
protocol.py          reads a protocol file and names the line at fault
training_splits.py   DataConfig; the train and dev splits. Never eval
formats/             one file per layout: ASVspoof 2019, 2021 and 5, In-the-Wild, manifest
audio.py             audio file -> mono float32 at 16 kHz
audio_stream.py      the same block by block, for files of any length
audio_digests.py     SHA-256 of audio files, cached
bad_files.py         files left out because they are missing or do not decode
licence.py           the licence a corpus states
"""
