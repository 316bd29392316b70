"""What a single layer may have computed instead: every trap that a layer can fall into, played through in numpy.

A hypothesis is not a guess about a gap's size: it says what the layer's output would be to the last bits. Where the
output of a framework's layer is that, and not what its network says, the trap is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from parity.numerics import reference_layers
from parity.numerics.arrays import Arrays

# (trap, what was computed instead, the output that this makes)
Hypothesis = tuple[str, str, np.ndarray]

EPSILONS = (1e-3, 1e-5, 1.001e-5, 1e-6, 1e-7, 1e-8, 1e-12)

LOSS_CAPS = (64.0, 100.0, 50.0, 30.0, 20.0, 10.0)

PROBABILITY_FLOORS = (1e-7, 1e-8, 1e-10, 1e-12, 1e-6)

Maps = tuple[int, int, int] | None  # (height, width, channels) that a dense layer's rows were flattened from


def of_layer(
    layer: Mapping[str, Any], x: np.ndarray, own: Arrays, state: Arrays, maps: Maps = None, *, largest: float = np.inf
) -> Iterator[Hypothesis]:
    """What the layer would give under each trap that it can fall into.

    Args:
        layer: `name`, `kind` and numbers, as a worker describes it.
        x: float64 input, [n, h, w, c] or [n, features].
        own: the layer's arrays by kind (`kernel`, `bias`, `gamma`, ...).
        state: the whole canonical state, for arrays that may have been exchanged.
        maps: of a dense layer whose input was flattened.
        largest: number that was found, at which an activation may be cut.
    """
    match layer["kind"]:
        case "conv" | "dense":
            yield from _product(layer, x, own, state, maps)
        case "batch_norm":
            yield from _batch_norm(layer, x, own)
        case "max_pool" if layer["padding"] == "same":
            cells = layer["window"] // 2
            text = f"{cells} cells of padding on every side, where the network says SAME"
            yield "pool-pad", text, reference_layers.layer({**layer, "padding": cells}, x, own)
        case "relu":
            yield "relu-missing", "the input, without the ReLU", x
            yield "act-clipped", f"a ReLU that is cut at {largest:g}", np.clip(x, 0, largest)
        case "dropout":
            text = f"its input times {1 - layer['rate']:g} in inference, where dropout does nothing"
            yield "dropout-mode", text, x * (1 - layer["rate"])
        case "lrn":
            size = 2 * layer["radius"] + 1
            for factor, what in ((1 / size, "the mean over"), (size, f"{size} times the sum over")):
                text = f"{what} the window of {size} channels, where the network says the sum"
                yield "lrn", text, reference_layers.layer({**layer, "alpha": layer["alpha"] * factor}, x, own)


def _product(layer: Mapping[str, Any], x: np.ndarray, own: Arrays, state: Arrays, maps: Maps) -> Iterator[Hypothesis]:
    def computed(**changed: Any) -> np.ndarray:
        spec = {key: changed.get(key, value) for key, value in layer.items()}
        arrays = {key: changed.get(key, value) for key, value in own.items()}
        return reference_layers.layer(spec, x, arrays)

    kernel = own["kernel"]
    yield "relu-on-logits", "a ReLU of its output", np.maximum(computed(), 0)
    if "bias" in own:
        yield "conv-bias", "no bias", computed(bias=np.zeros_like(own["bias"]))
    if layer["kind"] == "conv":
        if layer["stride"] > 1 and layer["padding"] == "same":
            cells = kernel.shape[0] // 2
            text = f"{cells} cells of padding on every side, where the network says SAME"
            yield "same-pad", text, computed(padding=cells)
        if kernel.shape[0] > 1:
            yield "conv-layout", "its kernel with height and width exchanged", computed(kernel=kernel.swapaxes(0, 1))
        if kernel.shape[2] == kernel.shape[3]:
            yield "conv-layout", "its kernel with inputs and outputs exchanged", computed(kernel=kernel.swapaxes(2, 3))
    else:
        if kernel.shape[0] == kernel.shape[1]:
            yield "dense-layout", "its kernel transposed", computed(kernel=kernel.T)
        if maps is not None:
            yield from _rows(kernel, maps, computed)
    for name, array in state.items():
        if name.endswith("/kernel") and array.shape == kernel.shape and array is not kernel:
            yield "bias-swap", f"the kernel of {name.removesuffix('/kernel')!r}", computed(kernel=array)


def _rows(kernel: np.ndarray, maps: tuple[int, int, int], computed: Any) -> Iterator[Hypothesis]:
    h, w, c = maps
    first = kernel.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
    text = "its kernel's rows in channel, height, width order, where the input's is height, width, channel"
    yield "flatten-order", text, computed(kernel=first)
    last = kernel.reshape(c, h, w, -1).transpose(1, 2, 0, 3).reshape(kernel.shape)
    text = "its kernel's rows in height, width, channel order, where the input's is channel, height, width"
    yield "flatten-order", text, computed(kernel=last)


def _batch_norm(layer: Mapping[str, Any], x: np.ndarray, own: Arrays) -> Iterator[Hypothesis]:
    epsilon = layer["epsilon"]
    for other in _in_both_precisions(EPSILONS):
        if not np.isclose(other, epsilon, rtol=1e-6):
            text = f"epsilon {other:g}, where the network says {epsilon:.3g}"
            yield "bn-epsilon", text, reference_layers.batch_norm(x, own, other)
    unrounded = float(f"{epsilon:.6g}")
    text = f"epsilon {unrounded:g} as a float64 number, where the network says {epsilon!r}, its float32 one"
    yield "bn-attr-f32", text, reference_layers.batch_norm(x, own, unrounded)
    for one, other_name in (("gamma", "beta"), ("mean", "variance")):
        exchanged = own | {one: own[other_name], other_name: own[one]}
        with np.errstate(invalid="ignore"):
            found = reference_layers.batch_norm(x, exchanged, epsilon)
        yield "bias-swap", f"{one} and {other_name} exchanged", found
    axes = tuple(range(x.ndim - 1))
    batch = own | {"mean": x.mean(axis=axes), "variance": x.var(axis=axes)}
    yield "bn-frozen", "the batch's own statistics in inference", reference_layers.batch_norm(x, batch, epsilon)


def of_running_statistics(before: Arrays, x: np.ndarray, momentum: float) -> Iterator[tuple[str, str, Arrays]]:
    """What the running `mean` and `variance` of a batch norm would be after one batch [n, ..., c], under each trap."""
    axes = tuple(range(x.ndim - 1))
    count = x.size // x.shape[-1]
    batch = {"mean": x.mean(axis=axes), "variance": x.var(axis=axes)}

    def moved(by: float, statistics: Arrays = batch) -> Arrays:
        return {name: by * before[name] + (1 - by) * statistics[name] for name in batch}

    yield "bn-frozen", "running statistics that training does not move", dict(before)
    unbiased = batch | {"variance": batch["variance"] * count / (count - 1)}
    yield "bn-unbiased", f"the variance with n - 1 for the running one (n = {count})", moved(momentum, unbiased)
    for other in _in_both_precisions((0.9, 0.99, 0.999, 1 - momentum)):
        if not np.isclose(other, momentum, rtol=1e-6):
            yield "bn-momentum", f"momentum {other:g}, where the network says {momentum:.6g}", moved(other)
    unrounded = float(f"{momentum:.6g}")
    text = f"momentum {unrounded:g} as a float64 number, where the network says {momentum!r}, its float32 one"
    yield "bn-attr-f32", text, moved(unrounded)


def of_loss(logits: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, str, float]]:
    """What the mean loss of logits [n, classes] and labels [n] would be, under each trap."""
    yield "softmax-twice", "the cross entropy of probabilities", cross_entropy(_softmax(logits), labels)
    pairs = np.repeat(logits, len(labels), axis=0), np.tile(labels, len(labels))
    yield "label-shape", "every image's loss with every image's label", cross_entropy(*pairs)
    chosen = _softmax(logits)[np.arange(len(labels)), labels]
    yield "relu-on-logits", "the cross entropy of ReLU'd logits", cross_entropy(np.maximum(logits, 0), labels)
    yield "softmax-twice", "the sum of probabilities, without a logarithm", float(-chosen.mean())
    each = reference_layers.cross_entropies(logits, labels)
    for cap in LOSS_CAPS:
        yield "softmax-floor", f"losses cut at {cap:.3g}", float(np.minimum(each, cap).mean())
    for floor in PROBABILITY_FLOORS:
        cut_off = -np.log(np.clip(chosen, floor, 1 - floor))
        text = f"the cross entropy of probabilities cut to {floor:g}..1 - {floor:g}"
        yield "softmax-floor", text, float(cut_off.mean())


def of_images(images: np.ndarray) -> Iterator[Hypothesis]:
    """What images [n, h, w, c] the network may have been fed instead."""
    yield "channel-order", "BGR", images[..., ::-1]
    reshaped = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(images.shape)
    yield "channel-order", "channels first, reshaped instead of transposed", reshaped
    yield "channel-order", "channels last, reshaped instead of transposed", _last_by_reshape(images)
    for factor in (255.0, 1 / 255.0):
        yield "preprocess", f"{factor:.3g} times as large", images * factor


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of log(sum exp) less the label's own logit."""
    return float(reference_layers.cross_entropies(logits, labels).mean())


def cut(x: np.ndarray, bits: int) -> np.ndarray:
    """float64 -> the nearest numbers of so many significant bits, as float64."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def _in_both_precisions(constants: Iterable[float]) -> Iterator[float]:
    """Each as it stands, and as the float32 number that Paddle makes of it."""
    for constant in constants:
        yield constant
        yield float(np.float32(constant))


def _last_by_reshape(images: np.ndarray) -> np.ndarray:
    n, h, w, c = images.shape
    return np.ascontiguousarray(images).reshape(n, c, h, w).transpose(0, 2, 3, 1)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
