"""Sections that the trial adds to a search's report."""
