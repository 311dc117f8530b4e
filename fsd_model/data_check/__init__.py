"""The check of a corpus: `fsd-tuner data check`. Read it in this order:

check.py           check_data: reads every file once and reports
file_measures.py   measurements of one file: rate, duration, silence, digests
findings.py        report and findings of one split
shortcuts.py       measures that alone tell the classes apart
across_splits.py   shared speakers, duplicate recordings
text.py            the report as a table
"""
