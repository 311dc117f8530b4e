"""What a user did or has that cannot work, said in one line: place or setting, rule, value, way out."""

from __future__ import annotations


class InputError(ValueError):
    """Bad audio, protocol, setting or folder; the command line prints the message without a traceback."""
