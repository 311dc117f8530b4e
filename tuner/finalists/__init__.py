"""Finalists: the best trials of a search over fresh seeds.

finalists.py  Finals (a study whose params are candidate and seed), SeedRounds (its searcher)
conclude.py   verdict, export of the winner
tables.py     verdict as tables, tags and lines

The race itself is in `tuner/results/seed_race.py`.
"""
