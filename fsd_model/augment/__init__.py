"""Augmentation of training utterances: pure functions of a recording or its features and a generator."""
