"""`python -m tuner`: the same as the command `fsd-tuner`."""

from tuner.commands.app import main

main()
