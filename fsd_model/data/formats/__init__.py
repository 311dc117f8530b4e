"""Corpus layouts, a module each: pure functions from a line of a protocol to an utterance.

asvspoof2019.py  LA and PA
asvspoof2021.py  LA, PA and DF
asvspoof5.py     track 1
in_the_wild.py   In-the-Wild
manifest.py      any corpus with a CSV or Parquet table; tables.py reads its rows

To add a layout, write such a module and name it in `fsd_model.data.training_splits` (training sets) and
`fsd_model.evaluation.eval_split` (evaluation sets, whose files only that module names).
"""
