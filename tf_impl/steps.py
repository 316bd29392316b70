"""What the proofs ask for: the model's description, a round trip of its state, its layers alone, its named stages."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity import networks
from parity.protocol import Arrays, unpack
from tf_impl.layers import dropouts, largest_dropout, ordered
from tf_impl.models import build, cached
from tf_impl.weights import export_state, load_state, slots

NOT_STAGES = ("flatten",)  # a change of shape only, in an order of the framework's own


def describe(network: str) -> dict[str, Any]:
    """The state's entries, every layer's spec, and the dropout layers; in the order of the forward pass."""
    model = cached(network, "float32")
    image = networks.network(network).image
    return {
        "entries": [dataclasses.asdict(slot.entry) for slot in slots(model)],
        "layers": [{"name": name} | dict(layer.spec) for name, layer in _layers(model).items()],
        "dropout": {"sites": len(dropouts(model)), "largest": largest_dropout(model, image)},
    }


def round_trip(network: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Load a float32 state into a fresh model and read it back."""
    model = build(network, "float32")
    load_state(model, arrays)
    return {}, export_state(model)


def probe_layers(network: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Every layer named in the group `input` alone, float64: canonical input -> canonical output."""
    model = cached(network, "float64")
    load_state(model, unpack(arrays, "state"))
    layers = _layers(model)
    return {}, {
        name: layers[name](tf.constant(x), training=False).numpy() for name, x in unpack(arrays, "input").items()
    }


def stages(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Eval-mode forward of the group `images` ("nhwc" [n, h, w, 3]): every named stage's output, NHWC."""
    model = cached(network, dtype)
    load_state(model, unpack(arrays, "state"))
    staged = keras.Model(
        model.inputs, {name: layer.output for name, layer in _layers(model).items() if _is_stage(layer)}
    )
    images = tf.constant(unpack(arrays, "images")["nhwc"].astype(dtype))
    return {}, {name: np.asarray(output) for name, output in staged(images, training=False).items()}


def _layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers by canonical name."""
    return {layer.name.replace(".", "/"): layer for layer in ordered(model)}


def _is_stage(layer: keras.layers.Layer) -> bool:
    return layer.spec["kind"] not in NOT_STAGES
