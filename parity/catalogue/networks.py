"""From a name to a network: the catalogue, the ResNets of any depth, and variants of all of these.

Only the name is sent to the worker processes, so every network that can be built has exactly one name.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

from parity.catalogue.counting import count
from parity.catalogue.designs import Network, Published
from parity.catalogue.entries import CATALOGUE, KERAS_CIFAR_POST, PADDLE_VGG_POST, SMALL_NETWORKS_POST
from parity.catalogue.resnets import KERAS_RESNET_EXAMPLE, resnet_named

LARGE = 50_000_000  # parameters: two models of such a network take more memory than a usual machine has to spare

__all__ = [
    "KERAS_CIFAR_POST",
    "KERAS_RESNET_EXAMPLE",
    "NETWORKS",
    "PADDLE_VGG_POST",
    "SMALL_NETWORKS_POST",
    "Network",
    "Published",
    "UnknownNetworkError",
    "default_networks",
    "network",
    "variant",
]

NETWORKS: dict[str, Network] = {entry.name: entry for entry in CATALOGUE}

VARIANTS = (
    "a variant is NAME[-nobn][-<classes>c][-<side>px]: without batch norm, with another number of classes, for square "
    "images of another size; for example resnet20_v1-nobn-100c-64px"
)


class UnknownNetworkError(Exception):
    """There is no network of this name; the message lists the names, and the nearest one."""


def network(name: str) -> Network:
    """The network of that name: an entry of the catalogue, a ResNet of any depth, or a variant.

    Args:
        name: such as "lenet5", "resnet26_v1" or "resnet20_v1-nobn-100c-64px".

    Returns:
        What it consists of, with its own counts of parameters and operations; a variant has no published results.

    Raises:
        UnknownNetworkError: there is none, or the network has another name.

    Example:
        >>> network("resnet20_v1").params
        274442
        >>> network("lenet5-100c").classes
        100
    """
    base, *suffixes = name.split("-")
    try:
        entry = NETWORKS.get(base) or resnet_named(base)
        if entry is None:
            raise UnknownNetworkError(_unknown(name))
        if not suffixes:
            return entry
        batch_norm, classes, size = _read(suffixes, entry)
        varied = _vary(entry, batch_norm, classes, size)
    except ValueError as error:
        raise UnknownNetworkError(f"no network named {name!r}: {error}.") from None
    if varied.name != name:
        raise UnknownNetworkError(f"no network named {name!r}: write {varied.name!r}, its one name; {VARIANTS}.")
    return varied


def variant(name: str, *, batch_norm: bool = True, classes: int | None = None, size: int | None = None) -> str:
    """The name of a variant of a network; what is left at its default stays as it is.

    Args:
        name: of the network, which may be a variant itself.
        batch_norm: False for the network without batch norm.
        classes: how many.
        size: height and width of the images in pixels.

    Returns:
        The one name of the variant, as `network` takes it; `name` itself where nothing is changed.

    Raises:
        UnknownNetworkError: there is no such network.

    Example:
        >>> variant("resnet20_v1", batch_norm=False, classes=100)
        'resnet20_v1-nobn-100c'
    """
    entry = network(name)
    base = network(name.partition("-")[0])
    normed = batch_norm and entry.batch_norm is not None
    varied_name = _name(
        base,
        normed,
        entry.classes if classes is None else classes,
        entry.image[0] if size is None else size,
    )
    return network(varied_name).name


def default_networks() -> list[str]:
    """The names of the networks that are checked when none is named.

    Returns:
        Those of the catalogue that are `in_profile`, in its order; no variant is among them.

    Example:
        >>> "lenet5" in default_networks()
        True
    """
    return [name for name, entry in NETWORKS.items() if entry.in_profile]


def _read(suffixes: list[str], base: Network) -> tuple[bool, int, int]:
    """(whether with batch norm, classes, side in pixels) of suffixes in any order. Raises ValueError."""
    batch_norm, classes, size = base.batch_norm is not None, base.classes, base.image[0]
    for suffix in suffixes:
        if suffix == "nobn":
            batch_norm = False
        elif match := re.fullmatch(r"(\d+)c", suffix):
            classes = int(match[1])
        elif match := re.fullmatch(r"(\d+)px", suffix):
            size = int(match[1])
        else:
            raise ValueError(f"unknown suffix {suffix!r}; {VARIANTS}")
    return batch_norm, classes, size


def _vary(base: Network, batch_norm: bool, classes: int, size: int) -> Network:
    """The variant, with its own counts and without published results. Raises ValueError where there is none."""
    if classes < 2:
        raise ValueError(f"expected at least 2 classes, found {classes}")
    if size < 1:
        raise ValueError(f"expected images of at least 1 pixel, found {size}")
    entry = replace(
        base,
        name=_name(base, batch_norm, classes, size),
        batch_norm=base.batch_norm if batch_norm else None,
        classes=classes,
        image=(size, size, base.image[2]),
        published=(),
        in_profile=False,
    )
    try:
        params, trainable, flops = count(entry)
    except ValueError as error:
        raise ValueError(f"images of {size}x{size} are too small for {base.name}: {error}") from None
    return replace(entry, params=params, trainable=trainable, flops=flops)


def _name(base: Network, batch_norm: bool, classes: int, size: int) -> str:
    """The canonical name: only what differs from the base network, in one order."""
    name = base.name
    if base.batch_norm is not None and not batch_norm:
        own = f"{name}_nobn"  # an entry of the catalogue, with published results
        name = own if own in NETWORKS else f"{name}-nobn"
    if classes != base.classes:
        name += f"-{classes}c"
    if size != base.image[0]:
        name += f"-{size}px"
    return name


def _unknown(name: str) -> str:
    near = [
        *difflib.get_close_matches(name, NETWORKS, 1),
        *difflib.get_close_matches(name.partition("-")[0], NETWORKS, 1),
    ]
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"no network named {name!r}.{hint} The catalogue holds: {', '.join(NETWORKS)}. There are also "
        f"resnet<6n+2>_v1 and resnet<9n+2>_v2 of any depth; {VARIANTS}."
    )
