"""`fsd-tuner cuts`: lists the legal cuts of a network."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fsd_model.networks.attention_resnet import NetworkConfig
    from fsd_model.networks.build import NetworkFactory
    from fsd_model.networks.cut_table import CutRow


def cuts(
    network: Annotated[str, typer.Argument(help="ecanet18, senet34, ..., or package.module:factory.")],
    feature: Annotated[str, typer.Option(help="Kind of the front end.")] = "f0_subband",
    option: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="Option of the network; may be repeated.")
    ] = [],  # noqa: B006 - typer copies it
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """List the legal cuts of a network: number, module, shape, share of parameters and cost before it.

    Example: fsd-tuner cuts ecanet18
    """
    from fsd_model.features.front_end import FeatureConfig
    from fsd_model.networks.cut_table import cut_table

    front_end = FeatureConfig.model_validate({"kind": feature})
    rows = cut_table(_network(network, dict(_option(text) for text in option)), front_end)
    if as_json:
        typer.echo(json.dumps([vars(row) for row in rows], indent=2))
        return
    _show(rows)


def _network(name: str, options: dict[str, Any]) -> NetworkConfig | NetworkFactory:
    from fsd_model.errors import InputError
    from fsd_model.networks.attention_resnet import NetworkConfig
    from fsd_model.networks.build import NetworkFactory

    if ":" in name:
        return NetworkFactory(factory=name, options=options)
    built_in = re.fullmatch(r"([a-z]+)(\d+)", name)
    if built_in is None:
        raise InputError(f"network: must be like ecanet18, or package.module:factory, got `{name}`")
    family, depth = built_in.groups()
    return NetworkConfig.model_validate({**options, "family": family, "depth": int(depth)})


def _option(text: str) -> tuple[str, Any]:
    from fsd_model.errors import InputError

    key, equals, value = text.partition("=")
    if not key or not equals:
        raise InputError(f"--option: must be KEY=VALUE, got `{text}`")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def _show(rows: list[CutRow]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("cut", "behind", "shape", "parameters", "%", "multiply-adds", "%")
    for column in table.columns:
        column.justify = "left" if column.header == "behind" else "right"
        column.overflow = "fold"
    for row in rows:
        shape = " x ".join(str(size) for size in row.shape)
        number = f"{row.cut}{' *' if row.usual else '  '}" if row.cut else ""
        shares = f"{100 * row.parameter_share:.1f}", f"{100 * row.cost_share:.1f}"
        table.add_row(number, row.module, shape, f"{row.parameters:,}", shares[0], f"{row.macs:,}", shares[1])
    Console().print(table)
    usual = [row.cut for row in rows if row.usual]
    typer.echo(f"* cuts: null takes {usual}; the output is the deepest exit and no cut")
