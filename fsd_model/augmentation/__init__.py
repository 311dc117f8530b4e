"""Augmentation of training utterances; each part is a pure function of (settings, signal, generator).

pipeline.py           all parts on a batch, and the generator of each draw
config.py             settings; every part is off by default
noise.py              additive noise, coloured or from recordings
rawboost.py           RawBoost
codec.py              telephony and web codecs
spec_augment.py       SpecAugment on a batch of features
levels.py             limit to [-1, 1]; mix at a signal-to-noise ratio
stored_recordings.py  the waveforms that the first three start from
timing.py             measured milliseconds per part, for cost estimates
"""
