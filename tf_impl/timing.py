"""Seconds of many steps, read in the worker: the suite's own steps, and what they are held against."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.numerics.arrays import Arrays, unpack
from parity.runtime.timing import Steps, Subjects, time_hops
from tf_impl import device, training
from tf_impl.layers import FusedBatchNorm, SharedDropout
from tf_impl.models import build
from tf_impl.weights import export_state, load_state


def time_transfer(network: str, rounds: int) -> dict[str, Any]:
    """Bytes of the network's state, and the seconds of every hop of the transfer layer."""
    model = build(network, "float32")
    return time_hops(lambda: export_state(model), lambda state: load_state(model, state), rounds)


def _forward(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    model, images, _ = _ready_made(network, arrays, recipe["batch"])
    infer = tf.function(lambda x: model(x, training=False))

    def run(steps: int) -> None:
        for _ in range(steps):
            infer(images)

    return run, "tf.function"


def _train_step(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    mode = training.loop.start_training(network, arrays=arrays, **recipe)["mode"]
    return training.loop.repeated_steps(unpack(arrays, "plan")), mode


def _bare_loop(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    twin, images, labels = _ready_made(network, arrays, recipe["batch"])
    model = _with_stock_dropout(twin)
    optimizer = keras.optimizers.Adam(1e-3)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = cross_entropy(labels, model(images, training=True))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_weights), model.trainable_weights, strict=True)
        )

    def run(steps: int) -> None:
        for _ in range(steps):
            step()

    return run, "tf.function"


def _fit(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    twin, images, labels = _ready_made(network, arrays, recipe["batch"])
    model = keras.models.clone_model(twin, clone_function=_stock)
    model.compile(
        keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )

    def run(steps: int) -> None:
        x, y = np.tile(images, (steps, 1, 1, 1)), np.tile(labels, steps)
        model.fit(x, y, batch_size=recipe["batch"], epochs=1, verbose=0)

    return run, "Model.fit"


def _with_stock_dropout(model: keras.Model) -> keras.Model:
    """The same layers, weights and all, but Keras's own dropout in place of the suite's."""
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: (
            keras.layers.Dropout(layer.rate, name=layer.name) if isinstance(layer, SharedDropout) else layer
        ),
    )


def _stock(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer that a Keras user would have instead of the suite's own."""
    if isinstance(layer, FusedBatchNorm):
        return keras.layers.BatchNormalization.from_config(layer.get_config())
    if isinstance(layer, SharedDropout):
        return keras.layers.Dropout(layer.rate, name=layer.name)
    return type(layer).from_config(layer.get_config())


def _ready_made(network: str, arrays: Arrays, batch: int) -> tuple[keras.Model, tf.Tensor, tf.Tensor]:
    """The model with its weights, and one batch of preprocessed images and labels."""
    model = build(network, "float32")
    load_state(model, unpack(arrays, "state"))
    data = unpack(arrays, "data")
    images = data["test_images"][:batch].astype(np.float32) / 255
    return model, tf.constant(images), tf.constant(data["test_labels"][:batch].astype(np.int32))


# "train step" is the suite's own, data pipeline included; the "bare loop" is hand-written and runs on one ready-made
# batch; "Model.fit" is the framework's own loop on ready-made batches.
subjects = Subjects(
    {"forward": _forward, "train step": _train_step, "bare loop": _bare_loop, "Model.fit": _fit},
    device.synchronize,
)
