"""Base class of all configurations: frozen, strictly typed, no NaN; unknown keys are errors."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Settings(BaseModel):
    """Frozen and strict settings: `"3"` and `True` are not the number 3, NaN and inf are errors.

    Raises:
        pydantic.ValidationError: an unknown key (with the nearest known one), a wrong type or range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        for key in given:
            if key not in cls.model_fields:
                near = get_close_matches(str(key), list(cls.model_fields), n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(cls.model_fields)}"
                raise ValueError(f"unknown key `{key}`; {hint}")
        return given
