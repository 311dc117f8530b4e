"""A detector behind HTTP on this machine: `fsd-tuner serve`."""
