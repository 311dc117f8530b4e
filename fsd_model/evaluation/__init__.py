"""The evaluation split. Opened here and nowhere else; nothing that a search imports leads here.

eval_split.py        the evaluation split and the names of its files
final_evaluation.py  scores a split once
results.py           Evaluation and its file
access_log.py        every opening on record
comparison.py        two detectors, paired by speaker
"""
