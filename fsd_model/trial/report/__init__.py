"""Sections that the trial adds to the report of a search.

sections.py        report_sections, the hook
reported_trial.py  a trial as the report shows it
network.py         EER by cut and by exit, drawn on the network
attacks.py         EER by attack, DET curves
"""
