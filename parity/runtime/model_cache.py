"""The models that a worker built last: proofs go back and forth between two precisions of one network."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from parity.catalogue.networks import LARGE, network


class ModelCache:
    """Keeps the two models that were used last; beside a large network's model none."""

    def __init__(self, build: Callable[[str, str], Any]) -> None:
        self.build = build
        self._kept: dict[tuple[str, str], Any] = {}

    def get(self, name: str, dtype: str) -> Any:
        """The model of that network and dtype, built if it is not kept.

        Args:
            name: of the network, see `parity.catalogue.networks.network`.
            dtype: "float32" or "float64".

        Returns:
            The framework's model, with the weights of its last use: every caller loads its own.

        Raises:
            UnknownNetworkError: there is no such network.
        """
        key = name, dtype
        model = self._kept.pop(key, None)
        room = 0 if network(name).params > LARGE else 1  # models beside this one
        while len(self._kept) > room:
            del self._kept[next(iter(self._kept))]
        if not room:
            gc.collect()  # models hold themselves in circles
        self._kept[key] = self.build(name, dtype) if model is None else model
        return self._kept[key]
