"""Spoofing methods of track LA: `attack.py` has their interface, `registry.py` the id of each."""
