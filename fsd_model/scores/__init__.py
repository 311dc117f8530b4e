"""Scores by utterance: files, tables, rates by group, plots.

In reading order:

score_file.py        Scores; reads and writes `*.scores.txt`
eer_by_group.py      EER pooled, per attack, per condition, per exit
utterance_table.py   `*.trials.tsv`: speaker, attack, codec of each scored utterance
asv_scores.py        the organisers' speaker-verification scores
checks.py            collapsed, tied or flipped scores
plots.py             DET curve and histogram
"""
