"""Searchers: which params the next trial gets (ask and tell).

Read in this order:

* `searcher`: the protocol `Searcher`, and `Suggestion`. To add one, write a class and have
  `tuner.workflows.search` build it.
* `optuna_searcher`: `OptunaSearcher`, over Optuna's `ask` and `tell`.
* `optuna_samplers`: Optuna's samplers by the names of a study file, seeded per trial.
* `warm_start`: the trials of an earlier study.
"""
