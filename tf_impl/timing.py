"""What the suite's own steps are compared with in speed: TensorFlow's and Keras's loops, on one ready-made batch."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from parity.runtime.timing import ReadyMade, Steps, TimedModels
from tf_impl import training
from tf_impl.layers import FusedBatchNorm, SharedDropout
from tf_impl.twin import twin


def _forward(ready: ReadyMade) -> tuple[Steps, str]:
    model, (images, _) = ready.model, _tensors(ready)
    infer = tf.function(lambda x: model(x, training=False))

    def run(steps: int) -> None:
        for _ in range(steps):
            infer(images)

    return run, "tf.function"


def _bare_loop(ready: ReadyMade) -> tuple[Steps, str]:
    model, (images, labels) = _with_stock_dropout(ready.model), _tensors(ready)
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


def _fit(ready: ReadyMade) -> tuple[Steps, str]:
    model = keras.models.clone_model(ready.model, clone_function=_stock)
    model.compile(
        keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    images, labels = _tensors(ready)

    def run(steps: int) -> None:
        x, y = np.tile(images, (steps, 1, 1, 1)), np.tile(labels, steps)
        model.fit(x, y, batch_size=len(labels), epochs=1, verbose=0)

    return run, "Model.fit"


def _with_stock_dropout(model: keras.Model) -> keras.Model:
    """The same layers, weights and all, but Keras's own dropout in place of the suite's."""
    return keras.models.clone_model(
        model, clone_function=lambda layer: _stock(layer) if isinstance(layer, SharedDropout) else layer
    )


def _stock(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer that a Keras user would have instead of the suite's own."""
    if isinstance(layer, FusedBatchNorm):
        return keras.layers.BatchNormalization.from_config(layer.get_config())
    if isinstance(layer, SharedDropout):
        return keras.layers.Dropout(layer.rate, name=layer.name)
    return type(layer).from_config(layer.get_config())


def _tensors(ready: ReadyMade) -> tuple[tf.Tensor, tf.Tensor]:
    """Images [batch, h, w, c] and labels."""
    return tf.constant(ready.images), tf.constant(ready.labels.astype(np.int32))


# "bare loop" is hand-written; "Model.fit" is the framework's own
timed_models = TimedModels(twin, training.loop, {"forward": _forward, "bare loop": _bare_loop, "Model.fit": _fit})
