"""Base class of all settings: frozen, strictly typed, with errors that name unknown and renamed keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from tuner.errors import SettingError, nearest


class Strict(BaseModel):
    """Settings in which `"3"` and `True` are not the number 3, and NaN and infinity are refused.

    Attributes:
        renamed_keys: old key -> new key.

    Raises:
        pydantic.ValidationError: an unknown key (with the nearest known one), a renamed one (with its new
            name), a wrong type or range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    renamed_keys: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for key in given:
                if key in cls.renamed_keys:
                    new = cls.renamed_keys[key]
                    raise SettingError((key,), f"is now called `{new}`, got {given[key]!r}; rename the key")
                if key not in cls.model_fields:
                    raise SettingError((str(key),), f"unknown key; {nearest(str(key), cls.model_fields)}")
        return given
