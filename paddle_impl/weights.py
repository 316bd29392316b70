"""Between a Paddle model and the canonical state: by name, one copy each way."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from parity.runtime.model_state import Slot
from parity.weights.layout import SAME, Layout
from parity.weights.state import Entry

# Paddle's names of a layer's arrays -> the canonical ones; a batch norm's scale is called weight, too
ARRAY_KINDS = {
    "conv": {"weight": "kernel", "bias": "bias"},
    "dense": {"weight": "kernel", "bias": "bias"},
    "batch_norm": {"weight": "gamma", "bias": "beta", "_mean": "mean", "_variance": "variance"},
}


def slots(model: nn.Layer) -> list[Slot]:
    """Every array of the model's state, in the order of the layers."""
    return [slot for path, layer in model.named_sublayers() for slot in own_slots(layer, path.replace(".", "/"))]


def own_slots(layer: nn.Layer, name: str) -> list[Slot]:
    """A single layer's arrays, under its canonical name (`group1/conv1`)."""
    layer_slots = []
    for own_name, tensor in layer.state_dict(include_sublayers=False).items():
        full = f"{name}/{ARRAY_KINDS[layer.spec['kind']][own_name]}"
        layout = _layout(layer, own_name)
        shape = layout.canonical_shape(tensor.shape)
        dtype = str(tensor.dtype).removeprefix("paddle.")
        layer_slots.append(Slot(Entry(full, shape, dtype, not tensor.stop_gradient), tensor, layout))
    return layer_slots


def layers_of(model: nn.Layer) -> dict[str, nn.Layer]:
    """The layers by canonical name."""
    return {path.replace(".", "/"): layer for path, layer in model.named_sublayers() if hasattr(layer, "spec")}


def read(slot: Slot) -> np.ndarray:
    """A copy of one array, canonical."""
    return slot.layout.read(memory(slot.tensor))


def write(slot: Slot, array: np.ndarray) -> None:
    """Overwrite one array with a canonical one of its slot's shape."""
    stored = memory(slot.tensor)
    slot.layout.write(array, stored)
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


def rows_from_hwc(rows: np.ndarray, maps: tuple[int, int, int]) -> np.ndarray:
    """Rows that were flattened from maps [n, h, w, c] in the order of rows flattened from [n, c, h, w], Paddle's.

    Args:
        rows: [n, h * w * c].
        maps: (c, h, w).

    Returns:
        Of the same shape and dtype; may be a view.
    """
    c, h, w = maps
    return rows.reshape(-1, h, w, c).transpose(0, 3, 1, 2).reshape(len(rows), -1)


def rows_to_hwc(rows: np.ndarray, maps: tuple[int, int, int]) -> np.ndarray:
    """The inverse of `rows_from_hwc`.

    Args:
        rows: [n, c * h * w].
        maps: (c, h, w).

    Returns:
        Of the same shape and dtype; may be a view.
    """
    return rows.reshape(-1, *maps).transpose(0, 2, 3, 1).reshape(len(rows), -1)
