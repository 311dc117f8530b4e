"""Corpus formats: one module each, made of pure functions from a line to an utterance.

No module here opens an evaluation split: `fsd_model.evaluation.eval_split` alone names its files.
"""
