"""Forecast of a search: time, memory and disk, from two measured configurations.

run.py               end to end: choose, measure, print, keep
measure.py           the configurations on the cluster, each in its own process
probe.py             what happens in such a process
forecast.py          two measurements -> the whole search, arithmetic only
expected_reports.py  how many reports a scheduler lets through
text.py              lines and warnings
"""
