"""Embeddings in Paddle."""

from __future__ import annotations

from typing import Any

from paddle import nn

from parity.kinds.embedding import Embedding
from parity.kinds.registry import Layer
from parity.kinds.repairs import Change, Repair
from parity.weights.layout import SAME


def _embedding(layer: nn.Layer, *_: Any) -> Embedding:
    index, max_norm = layer._padding_idx, getattr(layer, "_max_norm", None)
    missing = index is None or (index == -1 and not hasattr(layer, "_max_norm"))  # before Paddle 3.2
    return Embedding(
        None if missing else int(index) % layer._num_embeddings,
        max_norm=None if max_norm is None else float(max_norm),
        norm_order=2.0 if max_norm is None else float(layer._norm_type),
    )


LAYERS = {nn.Embedding: Layer(_embedding, (("weight", "kernel", SAME),))}


def _script(kind: Embedding, _: Any) -> str:
    return f"y = F.embedding(x, kernel, {kind.padding_index})" if kind.max_norm is None else ""


SCRIPTS = {"embedding": _script}


def _repair(repair: Repair) -> Change | None:
    """Keras's has no padding index, nor a norm."""
    if not repair.alike:
        return None
    names = {"padding_index": "padding_idx", "max_norm": "max_norm", "norm_order": "norm_type"}
    return Change({names[name]: value for name, value in repair.differing().items() if name in names})


REPAIRS = {"embedding": _repair}
