"""Types, defaults and docstrings of the code as Markdown."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_VALUE = re.compile(r"[a-z][\w-]*(, [a-z][\w-]*)*: ")
_NAMES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring's list `Attributes:` says of each field."""
    _, _, listed = (inspect.getdoc(model) or "").partition("\nAttributes:\n")
    said: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \S)", listed.rstrip()):
        names, _, text = entry.strip().partition(": ")
        said |= {
            name.strip(): re.sub(r"\bNone\b", "null", " ".join(text.split())) for name in names.split(",")
        }
    return said


def prose(model: type[BaseModel]) -> str:
    """The docstring above that list; a paragraph that begins with a value and a colon becomes a list."""
    text, _, _ = (inspect.getdoc(model) or "").partition("\nAttributes:\n")
    paragraphs = text.split("\nRaises:")[0].strip().split("\n\n")
    return "\n\n".join(_listed(each) if _VALUE.match(each) else each for each in paragraphs) + "\n\n"


def _listed(paragraph: str) -> str:
    return "\n".join(("* " if _VALUE.match(line) else "  ") + line for line in paragraph.split("\n"))


def typed(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        return "any plain value" if name == "JsonValue" else "mapping"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(typed(each, known) for each in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return _array(schema, known)
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties", True)
        return "mapping" if inner is True or not inner else f"mapping of names to {typed(inner, known)}"
    if "type" not in schema:
        return "any plain value"
    name = "path" if schema.get("format") == "path" else _NAMES[schema["type"]]
    return f"{name}{_range(schema)}"


def _array(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        return f"[low, high], each a {typed(schema['prefixItems'][0], known)}"
    inner = typed(schema["items"], known)
    return f"list of {inner}s" if inner in (*_NAMES.values(), "mapping") else f"list of {inner}"


def _range(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']:.12g} to {schema['maximum']:.12g}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]:.12g}" for key, sign in signs.items() if key in schema]
    return f" {', '.join(limits)}" if limits else ""


def defaulted(field: FieldInfo) -> str:
    """A field's default as YAML writes it; a nested model's is in its own table."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if isinstance(value, BaseModel) else f"`{json.dumps(value, ensure_ascii=False).strip(chr(34))}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table without the columns that say nothing; pipes in cells are escaped."""
    kept = [at for at in range(len(head)) if any(row[at] for row in rows)]
    lines = [head, ["---"] * len(head), *rows]
    cells = [[line[at].replace("|", "\\|") for at in kept] for line in lines]
    return "".join("| " + " | ".join(line) + " |\n" for line in cells)
