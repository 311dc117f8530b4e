"""Distributed hyperparameter search for any trial function."""
