"""Address of the MLflow store."""

from __future__ import annotations

import os
import re
from pathlib import Path

URI = "MLFLOW_TRACKING_URI"
STORE = "mlflow.db"


def tracking_uri() -> str | None:
    """Return the store that the environment names, or None."""
    return os.environ.get(URI) or None


def without_password(text: str) -> str:
    """Return the text with user names and passwords removed from its addresses."""
    return re.sub(r"//[^/\s]*@", "//", text)


def store_uri(out: Path) -> str:
    """Return the address of the store in a study folder."""
    return f"sqlite:///{out.resolve() / STORE}"
