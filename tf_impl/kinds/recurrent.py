"""Recurrent layers in Keras."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from parity.kinds.kind import Kind, Other
from parity.kinds.recurrent import Recurrent, prefix_of
from parity.kinds.registry import ArraySlots, Layer
from parity.kinds.repairs import Change, Repair
from parity.weights.layout import SAME, Layout
from tf_impl.kinds.activation import of_activation

layers = keras.layers

CELLS = {layers.LSTM: "lstm", layers.GRU: "gru", layers.SimpleRNN: "rnn"}

RECURRENT = (*CELLS, layers.Bidirectional)


def _one_direction(layer: keras.layers.Layer, taken: Any, _: Any) -> Kind:
    cell = CELLS.get(type(layer))
    if cell is None or layer.stateful:
        return Other(f"stateful {type(layer).__name__}" if cell else type(layer).__name__)
    activation, gates = _name(layer.activation), _name(layer.recurrent_activation) if cell != "rnn" else None
    masked = _masked(taken)
    return Recurrent(
        cell,
        activation,
        gates,
        output_activation=activation if cell == "lstm" else None,
        reset_after=bool(layer.reset_after) if cell == "gru" else None,
        direction="backward" if layer.go_backwards else "forward",
        sequences=bool(layer.return_sequences),
        realigned=not layer.go_backwards,  # the outputs stand in the order in which they were computed
        masked=masked,
        masked_output=("zeros" if layer.zero_output_for_mask else "repeated") if masked else None,
        initial_state=len(taken) - masked > 1 if isinstance(taken, list) else False,
        rate=float(layer.dropout),
        recurrent_rate=float(layer.recurrent_dropout),
    )


def _both_directions(layer: keras.layers.Layer, taken: Any, made: Any) -> Kind:
    forward = _one_direction(layer.forward_layer, taken, made)
    backward = _one_direction(layer.backward_layer, taken, made)
    if not (isinstance(forward, Recurrent) and layer.merge_mode) or backward != replace(
        forward, direction="backward", realigned=False
    ):
        inside, outside = type(layer.forward_layer).__name__, type(layer.backward_layer).__name__
        return Other(f"Bidirectional of {inside} and {outside}, merged by {layer.merge_mode}")
    return replace(forward, direction="bidirectional", merge=str(layer.merge_mode))


def _name(function: Callable[..., Any]) -> str:
    """The neutral name of an activation."""
    return str(of_activation(function).key)


def _masked(taken: Any) -> bool:
    return isinstance(taken, list) and len(taken) > 1 and taken[1].dtype == tf.bool


def _arrays(layer: keras.layers.Layer, path: str = "", prefix: str = "") -> ArraySlots:
    own = f"{path}cell."
    kernels = ((f"{own}{kernel}", f"{prefix}{kernel}", SAME) for kernel in ("kernel", "recurrent_kernel"))
    if isinstance(layer, layers.GRU) and layer.reset_after:  # a row for each kernel
        rows = (("bias", Layout("first row")), ("recurrent_bias", Layout("second row")))
        return (*kernels, *((f"{own}bias", f"{prefix}{bias}", row) for bias, row in rows))
    return (*kernels, (f"{own}bias", f"{prefix}bias", SAME))


def _arrays_of_both(layer: keras.layers.Layer) -> ArraySlots:
    if not {type(layer.forward_layer), type(layer.backward_layer)} <= CELLS.keys():
        return ()
    return (
        *_arrays(layer.forward_layer, "forward_layer."),
        *_arrays(layer.backward_layer, "backward_layer.", prefix_of(0, backward=True)),
    )


LAYERS = {
    layers.LSTM: Layer(_one_direction, _arrays),
    layers.GRU: Layer(_one_direction, _arrays),
    layers.SimpleRNN: Layer(_one_direction, _arrays),
    layers.Bidirectional: Layer(_both_directions, _arrays_of_both),
}


def recurred(layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tf.Tensor] | None:
    """What a call of a recurrent layer takes: sequences, mask, initial states, those that are given; None of another.

    A mask that the sequences carry, as those of an embedding with `mask_zero` do, is given, too.
    """
    if type(layer) not in RECURRENT:
        return None
    given = inspect.signature(layer.call).bind(*args, **kwargs).arguments
    sequences = given.get("sequences")
    mask, states = given.get("mask"), given.get("initial_state")
    mask = getattr(sequences, "_keras_mask", None) if mask is None else mask
    states = [] if states is None else list(states) if isinstance(states, (list, tuple)) else [states]
    taken = [sequences, *([] if mask is None else [tf.cast(mask, tf.bool)]), *states]
    return taken if all(isinstance(tensor, tf.Tensor) for tensor in taken) else None


ARGUMENTS = {
    "activation": "activation",
    "recurrent_activation": "recurrent_activation",
    "output_activation": "activation",
    "reset_after": "reset_after",
    "sequences": "return_sequences",
    "masked_output": "zero_output_for_mask",
    "rate": "dropout",
    "recurrent_rate": "recurrent_dropout",
}


def _repair(repair: Repair) -> Change | None:
    """Keras has one activation for the candidate and the output of an LSTM."""
    expected = repair.expected
    if not isinstance(expected, Recurrent) or not repair.only_in(*ARGUMENTS):
        return None
    if expected.output_activation not in (None, expected.activation):
        return None
    changed = {ARGUMENTS[name]: value for name, value in repair.differing().items()}
    if "zero_output_for_mask" in changed:
        changed["zero_output_for_mask"] = expected.masked_output == "zeros"
    return Change(changed)


REPAIRS = {"recurrent": _repair}
