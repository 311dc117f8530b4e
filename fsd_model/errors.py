"""The error for faults of the user's input, in one line: setting or file, rule, value, way out."""

from __future__ import annotations


class InputError(ValueError):
    """Bad audio, protocol, setting or folder; the command line prints the message without a traceback."""
