"""Exits of trials as detectors: what a search leaves to deploy, chosen and exported.

models.py  every deployable model of every complete trial, the Pareto set
choose.py  the best model within limits
export.py  a chosen model written to a folder; the trade-off of early exit
figure.py  the trade-off as a plot
"""
