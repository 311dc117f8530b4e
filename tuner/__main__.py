"""`python -m tuner`: the same as the command `fsd-tuner`."""

from tuner.cli import main

main()
