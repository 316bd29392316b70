"""Between a Paddle model and the canonical state: by name, one copy each way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn

from parity.weights.layout import SAME, Layout
from parity.weights.state import Entry, State, check_state

# Paddle's names of a layer's arrays -> the canonical ones; a batch norm's scale is called weight, too
KINDS = {
    "conv": {"weight": "kernel", "bias": "bias"},
    "dense": {"weight": "kernel", "bias": "bias"},
    "batch_norm": {"weight": "gamma", "bias": "beta", "_mean": "mean", "_variance": "variance"},
}


@dataclass(frozen=True)
class Slot:
    """One array of the model: what it is called in the canonical state, and where and how it is stored."""

    entry: Entry
    tensor: paddle.Tensor
    layout: Layout


def slots(model: nn.Layer) -> list[Slot]:
    """Every array of the model's state, in the order of the layers."""
    return [slot for path, layer in model.named_sublayers() for slot in own_slots(layer, path.replace(".", "/"))]


def own_slots(layer: nn.Layer, name: str) -> list[Slot]:
    """A single layer's arrays; `name` is its canonical one."""
    found = []
    for own_name, tensor in layer.state_dict(include_sublayers=False).items():
        full = f"{name}/{KINDS[layer.spec['kind']][own_name]}"
        layout = _layout(layer, own_name)
        shape = layout.canonical_shape(tensor.shape)
        dtype = str(tensor.dtype).removeprefix("paddle.")
        found.append(Slot(Entry(full, shape, dtype, not tensor.stop_gradient), tensor, layout))
    return found


def export_state(model: nn.Layer, endings: tuple[str, ...] = ("",)) -> State:
    """A copy of the model's state in canonical form, or of the arrays alone whose names end so."""
    wanted = [slot for slot in slots(model) if slot.entry.name.endswith(endings)]
    return {slot.entry.name: slot.layout.read(memory(slot.tensor)) for slot in wanted}


def load_state(model: nn.Layer, state: Mapping[str, np.ndarray]) -> None:
    """Overwrite the model's whole state. Raises StateError, before anything is written, when it does not fit."""
    load_slots(slots(model), state, receiver=f"the Paddle model {type(model).__name__}")


def load_slots(places: Sequence[Slot], state: Mapping[str, np.ndarray], *, receiver: str) -> None:
    """Overwrite these arrays, as `load_state` does all of a model's; `receiver` names them in an error."""
    check_state(state, [slot.entry for slot in places], receiver=receiver)
    for slot in places:
        stored = memory(slot.tensor)
        slot.layout.write(state[slot.entry.name], stored)
        if not slot.tensor.place.is_cpu_place():
            slot.tensor.set_value(stored)


def _layout(layer: nn.Layer, own_name: str) -> Layout:
    if own_name == "weight" and layer.spec["kind"] == "conv":
        return Layout("OIHW")
    if own_name == "weight" and layer.spec["kind"] == "dense" and layer.maps is not None:
        return Layout("CHW rows", layer.maps)
    return SAME


def memory(tensor: paddle.Tensor) -> np.ndarray:
    """The tensor's own memory where numpy can see it (on the CPU), writeable, else a host copy.

    Not by DLPack: what that gives is read-only with most versions of Paddle and numpy. Raises ValueError for a tensor
    whose elements do not lie one after another.
    """
    if not tensor.place.is_cpu_place() or not tensor.size:
        return tensor.numpy()
    if not tensor.is_contiguous():
        raise ValueError(f"expected a contiguous tensor, found a strided view of shape {tensor.shape}: {tensor.name}")
    return np.asarray(_Exposed(tensor))


class _Exposed:
    """A contiguous tensor on the CPU by numpy's array interface; an array made of it keeps it, and so the tensor."""

    def __init__(self, tensor: paddle.Tensor) -> None:
        self.tensor = tensor.detach()  # shares the memory
        dtype = np.dtype(str(tensor.dtype).removeprefix("paddle."))
        self.__array_interface__ = {
            "data": (self.tensor.data_ptr(), False),  # not read-only
            "shape": tuple(tensor.shape),
            "typestr": dtype.str,
            "version": 3,
        }
