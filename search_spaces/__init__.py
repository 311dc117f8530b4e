"""Ready study files, found by name: `fsd-tuner search demo`."""
