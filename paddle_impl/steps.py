"""What the proofs ask for: a model's description, a round trip of its state, single layers, named stages, logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_impl.layers import dropouts, largest_dropout
from paddle_impl.models import cached
from paddle_impl.weights import export_state, load_slots, load_state, own_slots, slots
from parity.catalogue import networks
from parity.numerics.arrays import Arrays, take, unpack
from parity.runtime.training_loop import logits_of

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


@paddle.no_grad()
def probe_layers(network: str, arrays: Arrays, dtype: str = "float64") -> tuple[dict[str, Any], Arrays]:
    """Every layer named in the group `input` alone: canonical input -> canonical output, arrays in `dtype`."""
    model = cached(network, dtype)
    model.eval()
    load_state(model, take(arrays, "state"))
    layers = layers_of(model)
    return {}, {
        name: _to_canonical(layers[name](_to_own(x, layers[name]))) for name, x in unpack(arrays, "input").items()
    }


@paddle.no_grad()
def probe_batch_norms(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Every batch norm named in the group `input` alone, in training mode: `<name>/output`, and the moved statistics.

    The statistics, `<name>/mean` and `<name>/variance`, start from the group `state`.
    """
    model = cached(network, dtype)
    load_state(model, take(arrays, "state"))
    model.train()
    layers = layers_of(model)
    found: Arrays = {}
    for name, x in unpack(arrays, "input").items():
        found[f"{name}/output"] = _to_canonical(layers[name](_to_own(x)))
        found[f"{name}/mean"] = layers[name]._mean.numpy()
        found[f"{name}/variance"] = layers[name]._variance.numpy()
    return {}, found


def probe_gradients(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Every layer named in the group `input` alone, in training mode, backwards from its output's `gradient`.

    Gradients of the input, `<name>/input`, and of the layer's arrays, `<name>/kernel` and so on; canonical. The group
    `state` holds the arrays of these layers alone.
    """
    model = cached(network, dtype)
    model.train()
    layers, gradients = layers_of(model), unpack(arrays, "gradient")
    found: Arrays = {}
    own = {name: own_slots(layers[name], name) for name in gradients}
    if places := [slot for each in own.values() for slot in each]:
        load_slots(places, take(arrays, "state"), receiver="the layers alone")
    for name, x in unpack(arrays, "input").items():
        layer = layers[name]
        given = _to_own(x, layer)
        given.stop_gradient = False
        paddle.autograd.backward([layer(given)], [_to_own(gradients[name])])
        found[f"{name}/input"] = _to_canonical(given.grad, layer)
        for slot in own[name]:
            if slot.entry.trainable and slot.tensor.grad is not None:
                found[slot.entry.name] = slot.layout.read(slot.tensor.grad.numpy())
                slot.tensor.clear_gradient(False)
    return {}, found


@paddle.no_grad()
def stages(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Eval-mode forward of the group `images` ("nhwc" [n, h, w, 3]): every named stage's output, NHWC."""
    model = cached(network, dtype)
    model.eval()
    load_state(model, take(arrays, "state"))
    return {}, stage_outputs(model, _to_own(unpack(arrays, "images")["nhwc"].astype(dtype)))


@paddle.no_grad()
def layer_inputs(network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """As `stages`, but what goes into every layer that has one input; rows in canonical order."""
    model = cached(network, dtype)
    model.eval()
    load_state(model, take(arrays, "state"))
    inputs: Arrays = {}
    hooks = [
        layer.register_forward_pre_hook(
            lambda layer, given, name=name: inputs.update({name: _to_canonical(given[0], layer)})
        )
        for name, layer in layers_of(model).items()
        if layer.spec["kind"] not in SEVERAL_INPUTS
    ]
    try:
        model(_to_own(unpack(arrays, "images")["nhwc"].astype(dtype)))
    finally:
        for hook in hooks:
            hook.remove()
    return {}, inputs


@paddle.no_grad()
def predict(network: str, dtype: str, arrays: Arrays, progress: Callable[..., None]) -> tuple[dict[str, Any], Arrays]:
    """Eval-mode `logits` [n, classes] of the group `data`, as `logits_of` takes it, with the weights in `state`."""
    model = cached(network, dtype)
    model.eval()
    load_state(model, take(arrays, "state"))
    logits = logits_of(lambda images: model(_to_own(images)).numpy(), unpack(arrays, "data"), dtype, progress)
    return {}, {"logits": logits}


def stage_outputs(model: nn.Layer, images: paddle.Tensor) -> Arrays:
    """Every named stage's output, NHWC, in the mode that the model is in; images [n, c, h, w]."""
    outputs: Arrays = {}
    hooks = [
        layer.register_forward_post_hook(lambda _, __, output, name=name: outputs.update({name: _to_canonical(output)}))
        for name, layer in layers_of(model).items()
        if _is_stage(layer)
    ]
    try:
        model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def layers_of(model: nn.Layer) -> dict[str, nn.Layer]:
    """The layers by canonical name."""
    return {path.replace(".", "/"): layer for path, layer in model.named_sublayers() if hasattr(layer, "spec")}


def _is_stage(layer: nn.Layer) -> bool:
    return layer.spec["kind"] not in NOT_STAGES


def _to_own(x: np.ndarray, layer: nn.Layer | None = None) -> paddle.Tensor:
    """NHWC maps -> NCHW; rows that were flattened from maps -> the order that Paddle flattens in."""
    if x.ndim == 4:
        x = x.transpose(0, 3, 1, 2)
    elif layer is not None and getattr(layer, "maps", None) is not None:
        c, h, w = layer.maps
        x = x.reshape(-1, h, w, c).transpose(0, 3, 1, 2).reshape(len(x), -1)
    return paddle.to_tensor(np.ascontiguousarray(x))


def _to_canonical(output: paddle.Tensor, layer: nn.Layer | None = None) -> np.ndarray:
    """The inverse of `_to_own`."""
    array = output.numpy()
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    elif layer is not None and getattr(layer, "maps", None) is not None:
        array = array.reshape(-1, *layer.maps).transpose(0, 2, 3, 1).reshape(len(array), -1)
    return np.ascontiguousarray(array)
