"""Between a Keras model and the canonical state: by name, one copy each way."""

from __future__ import annotations

import keras
import numpy as np

from parity.runtime.model_state import Slot
from parity.weights.layout import SAME
from parity.weights.state import Entry
from tf_impl.layers import ordered

# Keras's names of a layer's arrays -> the canonical ones
ARRAY_KINDS = {
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
}


def slots(model: keras.Model) -> list[Slot]:
    """Every array of the model's state, in the order of the layers. Keras's layouts are the canonical ones."""
    return [slot for layer in ordered(model) for slot in own_slots(layer, layer.name.replace(".", "/"))]


def own_slots(layer: keras.layers.Layer, name: str) -> list[Slot]:
    """A single layer's arrays, under its canonical name (`group1/conv1`)."""
    layer_slots = []
    for variable in layer.weights:
        full = f"{name}/{ARRAY_KINDS[variable.name]}"
        layer_slots.append(
            Slot(Entry(full, tuple(variable.shape), str(variable.dtype), variable.trainable), variable, SAME)
        )
    return layer_slots


def layers_of(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers by canonical name."""
    return {layer.name.replace(".", "/"): layer for layer in ordered(model)}


def read(slot: Slot) -> np.ndarray:
    """A copy of one array, canonical."""
    array = slot.tensor.numpy()
    return array if slot.layout == SAME else slot.layout.read(array)


def write(slot: Slot, array: np.ndarray) -> None:
    """Overwrite one array with a canonical one of its slot's shape."""
    if slot.layout != SAME:  # Keras's layouts are the canonical ones but for the shape
        stored = slot.tensor.numpy().astype(array.dtype)  # which another slot may hold a part of
        slot.layout.write(array, stored)
        array = stored
    slot.tensor.value.assign(array.astype(slot.entry.dtype, copy=False))
