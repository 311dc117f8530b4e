"""The evaluation split: only this package opens it, and nothing that a search imports leads here.

eval_split.py        reads the evaluation split; the names of its files
final_evaluation.py  scores a split once
results.py           Evaluation and its file
access_log.py        record of every opening of the eval split
comparison.py        two detectors, paired by speaker
"""
