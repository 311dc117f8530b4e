"""Searches, ablations and trainings from end to end: where all other packages meet.

* `search`: prepare the study, connect to Ray, run the search and its finalists, export.
* `stage`: one set of trials run to its conclusion; a search and its finalists are two.
* `ablate`, `ablation_figure`: control arms of one configuration, and their plot.
* `train`: one configuration again, without a search.
* `progress`: the live table; `interrupt`: Ctrl-C.

Begin with `search`, then `stage`.
"""
