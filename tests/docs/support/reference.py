"""The page `docs/reference.md`, made from the code: `python -m tests.docs.support.reference >` the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.networks.build import NetworkFactory
from fsd_model.training.config import TrainConfig
from tests.docs.support.reference_commands import commands
from tests.docs.support.reference_text import attributes, defaulted, prose, table, typed
from tuner.space.cuts import Cuts
from tuner.space.dimensions import Choice, Number, parse_dimension
from tuner.study.study import Study

RENEW = "python -m tests.docs.support.reference > docs/reference.md"
KINDS = {
    "float": ([0.0, 0.5], "evenly"),
    "log": ([0.01, 3.0], "evenly in its logarithm; low > 0"),
    "int": ([1, 4], "a whole number, evenly"),
    "choice": ([16, 32, 64], ""),
    "cuts": ({"positions": 7, "count": [1, 4]}, ""),
}
INTRO = f"""# Reference

Every key of a study file, every setting of our trainer, every command. This page is generated from the code
(`{RENEW}`); a test keeps it so.

* [Study file](#study-file): what `fsd-tuner search` reads. [Dimensions](#dimensions): what may stand below
  `search`.
* [Settings](#settings): what may stand below `settings` where the trial is `fsd_model.trial:run`. Each but
  `epochs`, which is the study's own, may be searched by its dotted path.
* [Commands](#commands).

Unknown keys are errors that name the nearest known one. Types are strict: `"3"` and `true` are not the
number 3, and no number may be NaN or infinite. `--set KEY=VALUE` changes a key of a study by its dotted path,
such as `--set settings.data.track=PA` or `--set scheduler.name=none`. `--debug` before or after any command
shows full tracebacks.
"""

COMMANDS = """## Commands

Without a command, `--install-completion` sets up completion of commands and options with the Tab key, for
bash, zsh, fish and PowerShell, from the next shell on; `--show-completion` prints the script. `--help` after
a command shows its options and an example.
"""


def models(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The model and those in its fields, each with the dotted path where it stands; as in the code."""
    yield path, model
    for name, field in model.model_fields.items():
        for inner in parts(field.annotation):
            yield from models(inner, f"{path}.{name}" if path else name)


def parts(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names: itself, or members of a union or of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in parts(inner)]


def title(path: str, model: type[BaseModel]) -> str:
    """The heading of one model's table."""
    which = {NetworkConfig: " (built in)", NetworkFactory: " (of your own)"}.get(model, "")
    return f"`{path}`{which}" if path else "The study"


def keys(path: str, model: type[BaseModel]) -> str:
    """One model: its docstring, then a row for each key."""
    schema, said = model.model_json_schema(), attributes(model)
    rows = []
    for name, field in model.model_fields.items():
        nested = parts(field.annotation)
        meaning = said.get(name, "")
        if nested:
            meaning = " ".join([meaning.removesuffix(".") + "; see below" if meaning else "see below"])
        kind = typed(schema["properties"][name], schema.get("$defs", {}))
        rows.append([f"`{name}`", kind, defaulted(field), meaning])
    return prose(model) + table(["key", "type", "default", "meaning"], rows)


def sections(model: type[BaseModel], path: str = "") -> str:
    """All models from `model` on, each under a heading."""
    return "\n".join(f"### {title(at, each)}\n\n{keys(at, each)}" for at, each in models(model, path))


def dimensions() -> str:
    """The kinds of dimension, each with an example that the parser takes."""
    rows = []
    for kind, (given, how) in KINDS.items():
        dimension = parse_dimension({kind: given})
        said = (type(dimension).__doc__ or "").split("\n")[0].strip()
        said = said.split(": ", 1)[-1] if isinstance(dimension, Number) else said
        assert isinstance(dimension, (Number, Choice, Cuts))
        ((_, written),) = dimension.to_dict().items()
        rows.append(
            [f"`{kind}`", f"`{{{kind}: {plain(written)}}}`", "; ".join(filter(None, [said.rstrip("."), how]))]
        )
    when = "\nBeside its kind a dimension may have `when`: [conditions](search.md#conditional-dimensions).\n"
    return table(["kind", "written as", "what it draws"], rows) + when


def plain(value: Any) -> str:
    """A value as YAML's flow style writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {plain(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            INTRO,
            "## Study file\n",
            sections(Study),
            "## Dimensions\n",
            dimensions(),
            "## Settings\n",
            sections(TrainConfig, "settings"),
            COMMANDS,
            commands(),
        ]
    )


if __name__ == "__main__":
    print(page(), end="")
