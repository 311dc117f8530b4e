"""Experimental, not run on a GPU yet: several configurations trained as one model."""
