"""Code of a framework for layers that `parity.kinds` describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.workers.client.requests import Requests


class KindRequests(Requests):
    """Requests about kinds of layers and functions."""

    def write_script(self, kind: str, numbers: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> str:
        """Lines of a script for one layer, with placeholders; empty where the framework has no code for it.

        Args:
            kind: of `parity.kinds.KINDS`.
            numbers: the kind's.
            shapes: of the layer's canonical arrays, by kind ("kernel", "bias", ...).
        """
        reply = self.call("write_script", kind=kind, numbers=dict(numbers), shapes=dict(shapes))
        return str(reply.result["lines"])
