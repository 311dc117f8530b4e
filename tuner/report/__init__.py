"""The report on a search: one HTML file for people, the same numbers as JSON for programs."""
