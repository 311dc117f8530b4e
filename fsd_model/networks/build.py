"""Builds the network of a configuration: a built-in one, or any module that a factory returns."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from inspect import signature
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BeforeValidator, Field, JsonValue
from torch import nn

from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig, feature_shape
from fsd_model.networks.attention_resnet import Backbone, NetworkConfig, build_backbone, stage_ends
from fsd_model.networks.custom_network import TracedNetwork, spread_cuts
from fsd_model.networks.cut_points import Trace
from fsd_model.networks.cut_points import trace as find_cuts
from fsd_model.networks.multi_exit import Cuts, stage_cuts
from fsd_model.settings import Settings


class NetworkFactory(Settings):
    """A custom network.

    Attributes:
        factory: `package.module:function`; the function returns an `nn.Module`, called after seeding.
        options: keyword arguments for it, plain values.
    """

    factory: str
    options: dict[str, JsonValue] = Field(default_factory=dict)


def read_network(given: Any) -> Any:
    """Read a setting `network`: a mapping with `factory`, the name of a factory, or a built-in network.

    Raises:
        ValueError: anything else (pydantic.ValidationError: a wrong key or value in the mapping).
    """
    if isinstance(given, Mapping):
        return (NetworkFactory if "factory" in given else NetworkConfig).model_validate(given)
    if isinstance(given, str) and ":" in given:
        return NetworkFactory(factory=given)
    if isinstance(given, (NetworkConfig, NetworkFactory)):
        return given
    way_out = "write `package.module:factory`, or {family: ecanet, depth: 18}"
    raise ValueError(f"must name a factory or a built-in network, got `{given}`; {way_out}")


Network = Annotated[NetworkConfig | NetworkFactory, BeforeValidator(read_network)]


def build_network(
    network: NetworkConfig | NetworkFactory, feature: FeatureConfig
) -> Backbone | TracedNetwork:
    """Build a freshly initialised network from the current random state.

    Raises:
        InputError: a factory that is missing or fails, or a network that cannot be traced.
    """
    if isinstance(network, NetworkConfig):
        return build_backbone(network.family, network.depth, network)
    trace = trace_network(network, feature)
    return TracedNetwork(_call_factory(network), trace)


def trace_network(network: NetworkFactory, feature: FeatureConfig) -> Trace:
    """Return the legal cuts of a custom network on a front end; cached per configuration.

    Raises:
        InputError: as `build_network`.
    """
    return _traced(_function(network.factory), network.model_dump_json(), feature_shape(feature))


def count_blocks(network: NetworkConfig | NetworkFactory, feature: FeatureConfig) -> int:
    """Return the number of legal cuts plus one; raises as `build_network`."""
    if isinstance(network, NetworkConfig):
        return stage_ends(network.depth)[-1]
    return len(trace_network(network, feature).cuts) + 1


def usual_cuts(network: NetworkConfig | NetworkFactory, feature: FeatureConfig) -> Cuts:
    """Resolve `cuts: null`: the published cuts, or up to three at even cost; raises as `build_network`."""
    if isinstance(network, NetworkConfig):
        return stage_cuts(stage_ends(network.depth))
    return spread_cuts(trace_network(network, feature))


@lru_cache(maxsize=64)
def _traced(function: Callable[..., Any], network_json: str, shape: tuple[int, int]) -> Trace:
    # the options are a dict, which cannot be hashed, so the key is their JSON; the function is part of the
    # key, so that a reloaded module is traced again
    network = NetworkFactory.model_validate_json(network_json)
    with random_state_kept():
        module = _call_factory(network)
        try:
            return find_cuts(module, *shape)
        except InputError as error:
            raise InputError(f"network {network.factory}: {error}") from error


def _call_factory(network: NetworkFactory) -> nn.Module:
    function = _function(network.factory)
    try:
        signature(function).bind(**network.options)
    except TypeError as error:
        way_out = f"it takes {signature(function)}"
        raise InputError(f"network {network.factory}: options: {error}; {way_out}") from error
    try:
        module = function(**network.options)
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"network {network.factory}: the factory fails with {words}") from error
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise InputError(
            f"network {network.factory}: must return an nn.Module, got {kind}; return the module"
        )
    return module


def _function(name: str) -> Callable[..., Any]:
    path, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.append("")  # a module in the current folder is found, as with `python -m`
    try:
        module = import_module(path)
    except (ImportError, ValueError, TypeError) as error:
        way_out = "install what is missing, or start in the folder that holds the module"
        raise InputError(f"network {name}: cannot import `{path}` ({error}); {way_out}") from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise InputError(f"network {name}: {path} has no function `{attribute}`; name one that it has")
    return function  # type: ignore[no-any-return]


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Restore the random state at the end, so that looking at a network does not change the training."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
