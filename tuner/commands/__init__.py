"""The command line `fsd-tuner`, and what a cluster's head runs. Commands import heavy packages when they run.

* `app`: the program: commands in groups, plugins, errors, exit codes.
* `search`: the commands `check`, `search` and `forecast`.
* `train`: `train` and `ablate`, which run one configuration again.
* `report`, `ui`: a page about a search; the MLflow UI.
* `exits`: `exits` and `export`, which turn trials into detectors.
* `cluster`: `submit`, a search on a running Ray cluster; `on_head` is what runs there.
* `summary`: the last lines of a search or a training, and its exit code.
* `options`: arguments that several commands share.
"""
