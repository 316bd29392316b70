"""Embeddings in Keras."""

from __future__ import annotations

from typing import Any

import keras

from parity.kinds.embedding import Embedding
from parity.kinds.registry import Layer
from parity.kinds.repairs import Change, Repair
from parity.weights.layout import SAME


def _embedding(layer: keras.layers.Layer, *_: Any) -> Embedding:
    return Embedding(mask_zero=bool(layer.mask_zero))


LAYERS = {keras.layers.Embedding: Layer(_embedding, (("embeddings", "kernel", SAME),))}


def _script(kind: Embedding, _: Any) -> str:
    if kind.max_norm is not None:
        return ""
    zeros = f"\ny = tf.where(x[..., None] == {kind.padding_index}, 0.0 * y, y)"
    return "y = tf.gather(kernel, x)" + ("" if kind.padding_index is None else zeros)


SCRIPTS = {"embedding": _script}


def _repair(repair: Repair) -> Change | None:
    """Paddle's has no mask; Keras's neither a padding index nor a norm."""
    return Change(repair.differing()) if repair.only_in("mask_zero") else None


REPAIRS = {"embedding": _repair}
