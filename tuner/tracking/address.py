"""Where the MLflow store is."""

from __future__ import annotations

import os
import re
from pathlib import Path

STORE = "mlflow.db"


URI = "MLFLOW_TRACKING_URI"


def tracking_uri() -> str | None:
    """The store that the environment names, if it does."""
    return os.environ.get(URI) or None


def without_password(text: str) -> str:
    """A text with addresses, none of them with a user's name and password."""
    return re.sub(r"//[^/\s]*@", "//", text)


def store_uri(out: Path) -> str:
    """The store in a study's folder."""
    return f"sqlite:///{out.resolve() / STORE}"
