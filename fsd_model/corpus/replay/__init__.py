"""The replay half of the demo corpus."""
