"""Corpora: their protocols and their audio. No module here reads an evaluation split.

training_splits.py   DataConfig, read_split: the train and dev splits
utterance.py         Utterance: one line of a protocol
protocol.py          reading a protocol; errors name file and line
formats/             a file per layout: ASVspoof 2019, 2021 and 5, In-the-Wild, manifest
audio.py             read_audio: audio file -> mono float32 at 16 kHz
audio_stream.py      audio block by block, for files of any length
audio_digests.py     SHA-256 of audio files, cached
bad_files.py         files left out because they are missing or do not decode
licence.py           the licence that a corpus states
"""
