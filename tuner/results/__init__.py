"""The results of a search.

* `selection.py`: best trial, ranking, Pareto set
* `outcome.py`: `SearchResult`, and what a stage of a search hands to the next
* `study_folder.py`: `StudyFolder`, the one reader of a study folder
* `data_frame.py`: trials as a pandas table
* `export.py`: best.yaml and the winner's files
* `pareto.py`: the Pareto set as files
* `seed_race.py`: candidates over seeds: who stays, who wins
* `importance.py`: PED-ANOVA with intervals

Begin with `selection.py`, then `outcome.py`.
"""
