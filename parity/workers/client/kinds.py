"""Code of a framework for layers that `parity.kinds` describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from parity.workers.client.requests import Requests


class Described(TypedDict):
    """A layer or function as `Kind.described` gives it."""

    kind: str
    numbers: dict[str, Any]


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

    def write_repair(self, expected: Described, actual: Described, row: bool) -> dict[str, str]:
        """Statements on a layer that make it compute what another one does, empty where none is known.

        Args:
            expected: what it should compute.
            actual: what it computes.
            row: whether both are of sequences.

        Returns:
            By "inference" and "training", the statement for what is computed there.
        """
        return self.call("write_repair", expected=expected, actual=actual, row=row).result
