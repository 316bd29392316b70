"""What the proofs ask for: a model's description, a round trip of its state, single layers, named stages, logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.catalogue import networks
from parity.numerics.arrays import Arrays, take, unpack
from parity.runtime.training_loop import EVALUATION_BATCH, logits_of
from tf_impl.layers import dropouts, largest_dropout, ordered
from tf_impl.models import cached
from tf_impl.weights import export_state, load_slots, load_state, own_slots, slots

NOT_STAGES = ("flatten",)  # a change of shape only, in an order of the framework's own

SEVERAL_INPUTS = ("add", "concat")


def describe(network: str) -> dict[str, Any]:
    """The state's entries, every layer's spec, and the dropout layers; in the order of the forward pass."""
    model = cached(network, "float32")
    image = networks.network(network).image
    return {
        "entries": [dataclasses.asdict(slot.entry) for slot in slots(model)],
        "layers": [{"name": name} | dict(layer.spec) for name, layer in layers_of(model).items()],
        "dropout": {"sites": len(dropouts(model)), "largest": largest_dropout(model, image)},
    }


def round_trip(network: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Load a float32 state into the model and read it back."""
    model = cached(network, "float32")
    load_state(model, arrays)
    return {}, export_state(model)


def probe_layers(network: str, arrays: Arrays, dtype: str = "float64") -> tuple[dict[str, Any], Arrays]:
    """Every layer named in the group `input` alone: canonical input -> canonical output, arrays in `dtype`."""
    model = cached(network, dtype)
    load_state(model, take(arrays, "state"))
    layers = layers_of(model)
    return {}, {
        name: layers[name](tf.constant(x), training=False).numpy() for name, x in unpack(arrays, "input").items()
    }


def probe_batch_norms(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Every batch norm named in the group `input` alone, in training mode: `<name>/output`, and the moved statistics.

    The statistics, `<name>/mean` and `<name>/variance`, start from the group `state`.
    """
    model = cached(network, dtype)
    load_state(model, take(arrays, "state"))
    layers = layers_of(model)
    found: Arrays = {}
    for name, x in unpack(arrays, "input").items():
        found[f"{name}/output"] = layers[name](tf.constant(x), training=True).numpy()
        found[f"{name}/mean"] = layers[name].moving_mean.numpy()
        found[f"{name}/variance"] = layers[name].moving_variance.numpy()
    return {}, found


def probe_gradients(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Every layer named in the group `input` alone, in training mode, backwards from its output's `gradient`.

    Gradients of the input, `<name>/input`, and of the layer's arrays, `<name>/kernel` and so on; canonical. The group
    `state` holds the arrays of these layers alone.
    """
    layers, gradients = layers_of(cached(network, dtype)), unpack(arrays, "gradient")
    found: Arrays = {}
    own = {name: own_slots(layers[name], name) for name in gradients}
    if places := [slot for each in own.values() for slot in each]:
        load_slots(places, take(arrays, "state"), receiver="the layers alone")
    for name, x in unpack(arrays, "input").items():
        layer = layers[name]
        given = tf.constant(x)
        trainable = [slot for slot in own[name] if slot.entry.trainable]
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = layer(given, training=True)
        sources = [given, *(slot.tensor.value for slot in trainable)]
        names = [f"{name}/input", *(slot.entry.name for slot in trainable)]
        for full, gradient in zip(names, tape.gradient(y, sources, tf.constant(gradients[name])), strict=True):
            if gradient is not None:
                found[full] = gradient.numpy()
    return {}, found


def stages(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Eval-mode forward of the group `images` ("nhwc" [n, h, w, 3]): every named stage's output, NHWC."""
    model = cached(network, dtype)
    load_state(model, take(arrays, "state"))
    return {}, stage_outputs(model, tf.constant(unpack(arrays, "images")["nhwc"].astype(dtype)), training=False)


def layer_inputs(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """As `stages`, but what goes into every layer that has one input; rows in canonical order."""
    model = cached(network, dtype)
    load_state(model, take(arrays, "state"))
    single = {n: layer for n, layer in layers_of(model).items() if layer.spec["kind"] not in SEVERAL_INPUTS}
    staged = keras.Model(model.inputs, {name: layer.input for name, layer in single.items()})
    images = tf.constant(unpack(arrays, "images")["nhwc"].astype(dtype))
    return {}, {name: np.asarray(each) for name, each in staged(images, training=False).items()}


def predict(network: str, dtype: str, arrays: Arrays, progress: Callable[..., None]) -> tuple[dict[str, Any], Arrays]:
    """Eval-mode `logits` [n, classes] of the group `data`, as `logits_of` takes it, with the weights in `state`."""
    model = cached(network, dtype)
    load_state(model, take(arrays, "state"))
    data = unpack(arrays, "data")

    def infer(images: tf.Tensor) -> tf.Tensor:
        return model(images, training=False)

    if len(data["images"]) > EVALUATION_BATCH:  # one batch takes less than compiling does
        one = tf.TensorSpec([None, *model.inputs[0].shape[1:]], dtype)  # batches may differ in length
        infer = tf.function(infer, input_signature=[one], autograph=False)
    logits = logits_of(lambda images: infer(tf.constant(images)).numpy(), data, dtype, progress)
    return {}, {"logits": logits}


def stage_outputs(model: keras.Model, images: tf.Tensor, *, training: bool) -> Arrays:
    """Every named stage's output, NHWC; images [n, h, w, c]."""
    staged = keras.Model(
        model.inputs, {name: layer.output for name, layer in layers_of(model).items() if _is_stage(layer)}
    )
    return {name: np.asarray(output) for name, output in staged(images, training=training).items()}


def layers_of(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers by canonical name."""
    return {layer.name.replace(".", "/"): layer for layer in ordered(model)}


def _is_stage(layer: keras.layers.Layer) -> bool:
    return layer.spec["kind"] not in NOT_STAGES
