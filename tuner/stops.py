"""Why trials were stopped early; shared by the schedulers and whoever judges a trial's end."""

from __future__ import annotations

Stops = dict[str, str]  # Ray's trial id -> why the scheduler stopped it
