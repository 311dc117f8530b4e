"""The sections of the report, in the order of the page; each key in the JSON is the name of its file.

result.py          state of the search, best configuration
space.py           what was searched, what was fixed
progress.py        best so far, learning curves
importance.py      importance of each setting, each setting against the metric
cuts.py            where networks were cut
finalists.py       the best trials over fresh seeds
trial_sections.py  sections of the trial's own module
ablation.py        arms of an ablation
pareto.py          trade-offs between several objectives
rungs.py           do early ranks predict later ones
failures.py        failures and retries
cost.py            time, what stopping saved, the forecast
advice.py          what to search next, from advice_runs.py and advice_space.py
"""
