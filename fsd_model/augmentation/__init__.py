"""Changes to training utterances, each a pure function of (settings, signal, generator).

config.py  pipeline.py  noise.py  rawboost.py  codec.py  spec_augment.py
levels.py            limit to [-1, 1], mix at a signal-to-noise ratio
stored_recordings.py the recordings that waveform augmentation starts from
timing.py            measured milliseconds per part, for cost estimates
"""
