"""The base of every configuration class here: frozen, strictly typed, no NaN, unknown keys named."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from tuner.errors import SettingError, nearest


class Strict(BaseModel):
    """`"3"` and `True` are not the number 3; NaN and inf pass nowhere.

    Raises:
        pydantic.ValidationError: an unknown key (with the nearest known one), a wrong type or range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for key in given:
                if key not in cls.model_fields:
                    raise SettingError((str(key),), f"unknown key; {nearest(str(key), cls.model_fields)}")
        return given
