"""The evaluation split: only this package opens it, and nothing that a search imports leads here.

eval_split.py        the evaluation split and the names of its files
final_evaluation.py  scores a split once
results.py           Evaluation and its file
access_log.py        the record of every opening of the eval split
comparison.py        two detectors, paired by speaker
"""
