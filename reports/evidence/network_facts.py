"""What the suite's catalogue says of a network that a record names; a record may name what it does not hold."""

from __future__ import annotations

import re

from parity.catalogue.designs import Network, Published
from parity.catalogue.networks import NETWORKS, UnknownNetworkError, network
from parity.catalogue.recipes import NO_AUGMENTATION_SUFFIX

_NO_BATCH_NORM = re.compile(r"[-_]nobn(?=-|$)")  # in the name of a network without its batch norm


def facts(name: str) -> Network | None:
    """The network of that name, variants such as `resnet20_v1-100c` included; None when there is none."""
    try:
        return network(name)
    except UnknownNetworkError:
        return None


def network_order(name: str) -> tuple[int, str]:
    """Sort key: the catalogue's order, a variant after its base network; then names that it does not hold."""
    known = list(NETWORKS)
    base = name.partition("-")[0]
    return (known.index(base) if base in known else len(known), name)


def published(name: str, recipe: str) -> list[Published]:
    """The documents' results for a network trained by that recipe, or by that recipe without augmentation.

    A recipe that is not the network's own has none. Results without augmentation say so in their source.
    """
    entry = facts(name)
    if entry is None or recipe.removesuffix(NO_AUGMENTATION_SUFFIX) != entry.recipe:
        return []
    plain = recipe.endswith(NO_AUGMENTATION_SUFFIX)
    return [result for result in entry.published if ("without data augmentation" in result.source) is plain]


def ablation(name: str, recipe: str) -> tuple[str, str, str] | None:
    """(base network, base recipe, what was taken away), or None where nothing was."""
    base, base_recipe = _NO_BATCH_NORM.sub("", name), recipe.removesuffix(NO_AUGMENTATION_SUFFIX)
    changes = ["without batch norm"] * (base != name) + ["without augmentation"] * (base_recipe != recipe)
    return (base, base_recipe, " and ".join(changes)) if changes else None
