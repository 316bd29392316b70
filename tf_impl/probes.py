"""The verbs of the proofs, with Keras's way to run and to observe layers and models: see `parity.runtime.probes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from parity.catalogue.recipes import EVALUATION_BATCH
from parity.numerics.arrays import Arrays
from parity.runtime.model_state import Slot
from parity.runtime.probes import Gradients, ProofProbes
from tf_impl.twin import twin


class Probes(ProofProbes):
    """The verbs, about TensorFlow's twins."""

    def tensor(self, array: np.ndarray, layer: keras.layers.Layer | None = None) -> tf.Tensor:
        """Keras's order is the canonical one."""
        return tf.constant(array)

    def alone(self, layer: keras.layers.Layer, x: np.ndarray, *, training: bool) -> np.ndarray:
        return layer(tf.constant(x), training=training).numpy()

    def backward(
        self, layer: keras.layers.Layer, x: np.ndarray, gradient: np.ndarray, slots: Sequence[Slot]
    ) -> Gradients:
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = layer(given, training=True)
        gradients = tape.gradient(y, [given, *(slot.tensor.value for slot in slots)], tf.constant(gradient))
        return [None if value is None else value.numpy() for value in gradients]

    def watched_outputs(
        self, model: keras.Model, images: tf.Tensor, layers: Mapping[str, keras.layers.Layer], *, training: bool
    ) -> Arrays:
        staged = keras.Model(model.inputs, {name: layer.output for name, layer in layers.items()})
        return {name: np.asarray(output) for name, output in staged(images, training=training).items()}

    def watched_inputs(self, model: keras.Model, images: tf.Tensor, layers: Mapping[str, keras.layers.Layer]) -> Arrays:
        staged = keras.Model(model.inputs, {name: layer.input for name, layer in layers.items()})
        return {name: np.asarray(tensor) for name, tensor in staged(images, training=False).items()}

    def inference(self, model: keras.Model, dtype: str, count: int) -> Callable[[np.ndarray], np.ndarray]:
        def infer(images: tf.Tensor) -> tf.Tensor:
            return model(images, training=False)

        if count > EVALUATION_BATCH:  # one batch takes less than compiling does
            one = tf.TensorSpec([None, *model.inputs[0].shape[1:]], dtype)  # batches may differ in length
            infer = tf.function(infer, input_signature=[one], autograph=False)
        return lambda images: infer(tf.constant(images)).numpy()


probes = Probes(twin)
