"""The study file: what is searched, how, and with what.

Read in this order:

* `study`: `Study`, the typed form of a study file, with the checks across its parts.
* `settings`: its parts: metric, sampler, scheduler, resources, budget, finalists.
* `load`: finds and reads a study file, applies `--set` and environment variables, validates.
* `yaml_file`: YAML 1.2 with the line of every key.
"""
