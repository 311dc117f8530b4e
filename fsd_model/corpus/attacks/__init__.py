"""The spoofing methods of the demo corpus."""
