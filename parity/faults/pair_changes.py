"""The traps that a step of a Paddle model can fall into, each as the Python statement that puts it in.

A statement stands in `def fix(model)`: `name` is the step's, `layers` the model's layers by path,
`replace(model, layers[name], layer)` puts another layer there, and `change_call(model, names, change)` lets a call give
something else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from parity.kinds.kind import Kind
from parity.migration.align.recorded_graph import RecordedStep

OTHER_EPSILON = 1e-3  # Keras's own, where Paddle's is 1e-5


@dataclass(frozen=True)
class Change:
    """One wrong version of a step.

    Attributes:
        trap: an id of `parity.catalogue.pair_traps.PAIR_TRAPS`.
        what: the form of the trap, in a few words.
        statement: that makes the step compute it.
        words: of which an explanation must say one, in any case of letters, unless it gives the trap's id.
        training: whether it shows in training mode only.
    """

    trap: str
    what: str
    statement: str
    words: tuple[str, ...]
    training: bool = False


@dataclass(frozen=True)
class Site:
    """A step of a traced Paddle model that a trap is put into.

    Attributes:
        step: as it was recorded.
        takes: shapes of the tensors that it takes, batch included, in Paddle's own order of axes.
        makes: the shape of what it makes.
        repair: the statement that lets the layer compute another kind, as a fix has it; empty where none is known.
        again: whether it is a layer that runs several times.
        following: of a convolution, the one that comes next and takes as many channels as this one makes; else None.
    """

    step: RecordedStep
    takes: Sequence[tuple[int, ...]]
    makes: tuple[int, ...]
    repair: Callable[[Kind], str]
    again: bool
    following: RecordedStep | None = None

    @property
    def alone(self) -> bool:
        """Whether it is a layer whose attributes can be changed; a further call of one is not."""
        return self.step.layer and "#" not in self.step.name

    @property
    def once(self) -> bool:
        """Whether it is a layer that runs once, which another one can replace."""
        return self.alone and not self.again


def changes_of_site(site: Site) -> list[Change]:
    """Every wrong version of a step that is known.

    Args:
        site: where.

    Returns:
        None for a step of a kind without traps. Whether they change what the model computes is another question.
    """
    make = _KINDS.get(site.step.kind)
    return [change for change in make(site) if change.statement] if make else []


def _call(change: str) -> str:
    """The statement that lets a call give `change`, an expression of `call`, `x`, `rest` and `options`."""
    return f"change_call(model, names, lambda call, x, *rest, **options: {change})"


def _set(attribute: str, value: object) -> str:
    return f"layers[name].{attribute} = {value!r}"


def _with(site: Site, **numbers: Any) -> Kind:
    return dataclasses.replace(site.step.what, **numbers)


def _label(site: Site, number: str) -> tuple[str, ...]:
    return (site.step.what.label(number),)


def _repaired(site: Site, trap: str, what: str, number: str, value: Any, *, training: bool = False) -> Iterator[Change]:
    """A layer with another number, by the code that would repair one."""
    if site.alone:
        statement = site.repair(_with(site, **{number: value}))
        yield Change(trap, what, statement, _label(site, number), training)


# the layer and the call that give another function, by activation: (function, layer, call, trap, number)
_EXCHANGED: dict[str, tuple[tuple[str, str, str, str, str], ...]] = {
    "relu": (
        ("relu6", "nn.ReLU6()", "F.relu6(x)", "act-clipped", "function"),
        ("leaky relu", "nn.LeakyReLU(0.01)", "F.leaky_relu(x, 0.01)", "act-other", "function"),
    ),
    "relu6": (("relu", "nn.ReLU()", "F.relu(x)", "act-clipped", "function"),),
    "leaky_relu": (("other slope", "nn.LeakyReLU(0.05)", "F.leaky_relu(x, 0.05)", "act-default", "slope"),),
    "elu": (("other alpha", "nn.ELU(0.5)", "F.elu(x, 0.5)", "act-default", "alpha"),),
    "sigmoid": (("hard sigmoid", "nn.Hardsigmoid()", "F.hardsigmoid(x)", "act-other", "function"),),
    "tanh": (("hard tanh", "nn.Hardtanh()", "F.hardtanh(x)", "act-other", "function"),),
    "silu": (("hard swish", "nn.Hardswish()", "F.hardswish(x)", "act-other", "function"),),
    "hard_swish": (("silu", "nn.Silu()", "F.silu(x)", "act-other", "function"),),
    "hard_sigmoid": (("sigmoid", "nn.Sigmoid()", "F.sigmoid(x)", "act-other", "function"),),
    "softplus": (("relu", "nn.ReLU()", "F.relu(x)", "act-other", "function"),),
    "mish": (("silu", "nn.Silu()", "F.silu(x)", "act-other", "function"),),
    "selu": (("elu", "nn.ELU()", "F.elu(x)", "act-other", "function"),),
}


def _activation(site: Site) -> Iterator[Change]:
    key = site.step.what.key
    exchanged = _EXCHANGED.get(key, ())
    if key == "gelu":
        other = not site.step.numbers["approximate"]
        exchanged = (("other form", f"nn.GELU({other})", f"F.gelu(x, {other})", "act-default", "approximate"),)
    for what, layer, call, trap, number in exchanged:
        statement = f"replace(model, layers[name], {layer})" if site.once else _call(call)
        yield Change(trap, what, statement, _label(site, number))
    left_out = "replace(model, layers[name], nn.Identity())" if site.once else _call("x")
    yield Change(site.step.what.missing_trap, f"{key} left out", left_out, ("exists in TensorFlow only", "activation"))
    if key == "softmax" and len(site.makes) > 1:
        axis = len(site.makes) - 2
        statement = _set("_axis", axis) if site.alone else _call(f"call(x, axis={axis})")
        yield Change("softmax-axis", "other axis", statement, _label(site, "axis"))


def _padding_shifted(site: Site, number: str, trap: str) -> Iterator[Change]:
    """One pixel less before, one more behind, or the reverse."""
    sides = [list(pair) for pair in site.step.numbers[number]]
    if len(sides) < 3 and any(map(any, sides)) and sides == [[max(a, 0), max(b, 0)] for a, b in sides]:
        moved = [[b, a] if a != b else [a - 1, b + 1] if a else [a, b] for a, b in sides]
        yield from _repaired(site, trap, "padding on the other side", number, moved)


def _bias(site: Site) -> Iterator[Change]:
    if site.alone and "bias" in site.step.shapes:
        words = ("bias exists in TensorFlow only", "bias exist in TensorFlow only", "exists in TensorFlow only")
        yield Change("conv-bias", "bias left out", _set("bias", None), words)


def _conv(site: Site) -> Iterator[Change]:
    yield from _bias(site)
    yield from _padding_shifted(site, "padding", "same-pad")
    if not site.alone:
        return
    yield from _stride(site)
    sides, window = site.step.numbers["padding"], site.step.shapes["kernel"][:-2]
    if all(a == b for a, b in sides) and any(map(any, sides)) and len(sides) == 2:
        rows = sides[1:] if len(site.makes) == 3 else sides[::-1]
        around = [count for pair in rows for count in pair]
        pads = [0] * (len(site.makes) - 2)
        statement = (
            "layer = layers[name]\n"
            f"layer._padding_mode, layer._reversed_padding_repeated_twice = 'replicate', {around}\n"
            f"layer._padding, layer._updated_padding, layer._padding_algorithm = {pads}, {pads}, 'EXPLICIT'"
        )
        yield Change("padding-mode", "copies of the border around", statement, ("pad", "border"))
    dilation = list(site.step.numbers["dilation"])
    if any(extent > 1 for extent in window) and len(window) == 2:
        wider = [d + (extent > 1) for d, extent in zip(dilation, window, strict=True)]
        grown = [
            [a + (extent - 1) // 2, b + extent // 2] if a + b else [a, b]
            for (a, b), extent in zip(sides, window, strict=True)
        ]
        own = wider[1:] if len(site.makes) == 3 else wider
        padded = site.repair(_with(site, padding=grown)) or "pass"
        statement = f"{padded}\nlayers = dict(model.named_sublayers())\n{_set('_dilation', own)}"
        yield Change("dilation", "dilated", statement, _label(site, "dilation"))


def _stride(site: Site) -> Iterator[Change]:
    """The stride in the next convolution instead."""
    after, stride = site.following, list(site.step.numbers["stride"])
    if after is None or max(stride) == 1 or max(after.numbers["stride"]) > 1 or len(site.makes) != 4:
        return
    sides, window = site.step.numbers["padding"], site.step.shapes["kernel"][:-2]
    if all(extent % 2 and a + b in (extent - 1, extent - 2) for (a, b), extent in zip(sides, window, strict=True)):
        whole = [[extent // 2] * 2 for extent in window]  # all of the maps
        own = site.repair(_with(site, stride=[1, 1], padding=whole))
        statement = f"{own}\nlayers[{after.name!r}]._stride = {stride}"
        yield Change("stride", "in the next convolution", statement, _label(site, "stride"))


def _conv_transpose(site: Site) -> Iterator[Change]:
    yield from _bias(site)
    sides = [list(pair) for pair in site.step.numbers["crop"]]
    if all(min(pair) >= 0 for pair in sides) and any(map(any, sides)):
        moved = [[b, a] if a != b else [a - 1, b + 1] if a else [a, b] for a, b in sides]
        yield from _repaired(site, "same-pad", "cropped on the other side", "crop", moved)


def _other_epsilon(site: Site, trap: str) -> Iterator[Change]:
    epsilon = site.step.numbers["epsilon"]
    other = 1e-5 if epsilon >= OTHER_EPSILON / 2 else OTHER_EPSILON
    yield from _repaired(site, trap, "other epsilon", "epsilon", other)


def _batch_norm(site: Site) -> Iterator[Change]:
    yield from _other_epsilon(site, "bn-epsilon")
    momentum = site.step.numbers["momentum"]
    other = 0.9 if abs(momentum - 0.9) > 1e-3 else 0.99
    yield from _repaired(site, "bn-momentum", "other momentum", "momentum", other, training=True)
    if site.alone:
        statement = _set("_use_global_stats", True)
        yield Change("bn-frozen", "frozen statistics", statement, _label(site, "frozen"), training=True)


def _norm(site: Site) -> Iterator[Change]:
    yield from _other_epsilon(site, "act-default")


def _group_norm(site: Site) -> Iterator[Change]:
    yield from _norm(site)
    groups, channels = site.step.numbers["groups"], site.makes[1]
    others = [n for n in (groups * 2, groups // 2) if 0 < n < channels and not channels % n]
    if site.alone and others and groups < channels:
        yield Change("norm-groups", "other groups", _set("_num_groups", others[0]), _label(site, "groups"))


def _dropout(site: Site) -> Iterator[Change]:
    rate = site.step.numbers["rate"]
    if not site.alone or not rate:
        return
    other = 0.5 if abs(rate - 0.5) > 0.1 else 0.25
    yield Change("dropout-mode", "other rate", _set("p", other), _label(site, "rate"), training=True)
    scaled = "layers[name].mode  # raises AttributeError where there is none\nlayers[name].mode = 'downscale_in_infer'"
    yield Change("dropout-mode", "scaled in inference", scaled, ("scale", "dropout", "exists in Paddle only"))


# of a pool, whether it is a layer or a function, the same windows for the other one
WINDOWS = (
    "layer = layers.get(name.partition('#')[0])\n"
    "size = getattr(layer, 'kernel_size', getattr(layer, 'ksize', None))\n"
    "given = (size, layer.stride, layer.padding) if layer is not None else ()\n"
    "ceil = {'ceil_mode': layer.ceil_mode} if layer is not None else {}\n"
)


def _other_pool(site: Site, other: str, what: str) -> Iterator[Change]:
    rank = len(site.makes) - 2
    call = f"F.{other}_pool{rank}d(x, *given, *rest, **ceil, **options)"
    yield Change("pool-other", what, WINDOWS + _call(call), (f"{what}_pool", f"{what} pool"))


def _max_pool(site: Site) -> Iterator[Change]:
    yield from _padding_shifted(site, "padding", "pool-pad")
    yield from _other_pool(site, "avg", "average")


def _average_pool(site: Site) -> Iterator[Change]:
    yield from _padding_shifted(site, "padding", "pool-pad")
    counted = site.step.numbers["count_padding"]
    if counted is not None:
        yield from _repaired(site, "avg-pool-exclusive", "padding counts", "count_padding", not counted)
    yield from _other_pool(site, "max", "max")


def _global_pool(site: Site, name: str, function: str, word: str) -> Iterator[Change]:
    rank = len(site.takes[0]) - 2
    if site.alone and rank in (1, 2, 3):
        made = f"nn.Adaptive{name}Pool{rank}D(1)"
        yield Change("pool-other", word, f"replace(model, layers[name], {made})", (f"global_{word}", word))
    elif not site.step.layer and f"adaptive_{'max' if function == 'avg' else 'avg'}" in site.step.name:
        call = _call(f"F.adaptive_{function}_pool{rank}d(x, 1)")
        yield Change("pool-other", word, call, (f"global_{word}", word))


def _embedding(site: Site) -> Iterator[Change]:
    if site.alone and site.step.numbers.get("padding_index") is None:
        yield Change("embedding-padding", "padding_idx 0", _set("_padding_idx", 0), _label(site, "padding_index"))


def _recurrent(site: Site) -> Iterator[Change]:
    numbers = site.step.numbers
    if numbers.get("masked"):
        unmasked = _call("call(x, *rest[:1], **{k: v for k, v in options.items() if k != 'sequence_length'})")
        yield Change("mask", "lengths left out", unmasked, ("mask",))
    if numbers["cell"] == "rnn" and site.alone:
        other = "relu" if numbers["activation"] == "tanh" else "tanh"
        statement = f"layers[name].mode, layers[name].activation = 'RNN_{other.upper()}', {other!r}"
        cells = (
            "for cell in layers[name].sublayers():\n"
            f"    if hasattr(cell, 'activation'):\n        cell.activation = {other!r}"
        )
        yield Change("act-other", f"{other} in the cell", f"{statement}\n{cells}", _label(site, "activation"))
    if not numbers.get("initial_state") and not numbers.get("masked"):
        statement = (
            "def change(call, x, *rest, **options):\n"
            "    layer = layers[name.partition('#')[0]]\n"
            "    extents = [layer.num_layers * layer.num_directions, x.shape[0], layer.hidden_size]\n"
            "    ones = paddle.ones(extents, x.dtype)\n"
            "    return call(x, (ones, ones) if layer.state_components == 2 else ones)\n\n"
            "change_call(model, names, change)"
        )
        yield Change("recurrent-state", "begins with ones", statement, ("initial",))


def _attention(site: Site) -> Iterator[Change]:
    numbers = site.step.numbers
    heads = numbers["heads"]
    width = site.makes[-1]
    others = [n for n in (heads * 2, heads // 2) if n > 0 and not width % n]
    if site.alone and others:
        statement = f"layers[name].num_heads, layers[name].head_dim = {others[0]}, {width // others[0]}"
        yield Change("attention-heads", "other heads", statement, _label(site, "heads"))
    if numbers.get("mask") is not None:
        left = "{k: v for k, v in options.items() if k != 'attn_mask'}"
        yield Change("mask", "mask left out", _call(f"call(x, *rest[:2], **{left})"), ("mask",))
    elif site.takes and len(site.takes[0]) == 3:
        causal = "paddle.tril(paddle.ones([x.shape[1], x.shape[1]])).astype('bool')"
        statement = _call(f"call(x, *rest, attn_mask={causal}, **options)")
        yield Change("attention-causal", "causal mask", statement, ("mask", "causal"))
    if numbers["rate"]:
        yield Change("dropout-mode", "other rate", _set("dropout", 0.25), _label(site, "rate"), training=True)


def _resize(site: Site) -> Iterator[Change]:
    linear = site.step.numbers["method"] == "linear"
    if len(site.makes) != 4:
        return
    if linear:
        other = not site.step.numbers.get("aligned_corners", False)
        words = (*_label(site, "aligned_corners"), *_label(site, "half_pixels"))
        changed = f"call(x, *rest, **{{**options, 'align_corners': {other}}})"
        yield Change("resize", "other corners", _set("align_corners", other) if site.alone else _call(changed), words)
    mode = "nearest" if linear else "bilinear"
    changed = f"call(x, *rest, **{{**options, 'mode': {mode!r}, 'align_corners': False}})"
    statement = f"layers[name].mode, layers[name].align_corners = {mode!r}, False" if site.alone else _call(changed)
    yield Change("resize", mode, statement, _label(site, "method"))


def _pad(site: Site) -> Iterator[Change]:
    number = "sides" if site.step.kind == "pad" else "padding"
    sides = [list(pair) for pair in site.step.numbers[number]]
    moved = [[b, a] if a != b else [a - 1, b + 1] if a else [a, b] for a, b in sides]
    if moved != sides:
        yield from _repaired(site, "same-pad", "padding on the other side", number, moved)
    if not site.step.layer:
        mode = site.step.numbers.get("mode", "constant")
        other = "replicate" if mode == "constant" else "constant"
        words = ("mode", "pad")
        yield Change("padding-mode", other, _call(f"call(x, *rest[:1], **{{**options, 'mode': {other!r}}})"), words)


def _concat(site: Site) -> Iterator[Change]:
    yield Change("concat-order", "reversed", _call("call(list(reversed(x)), *rest, **options)"), ("order",))


def _add(site: Site) -> Iterator[Change]:
    if len(site.takes) == 2 and site.takes[0] == site.takes[1] == site.makes:
        words = ("exists in TensorFlow only", "add")
        yield Change("residual", "without its second term", _call("x"), words)


def _operands(site: Site) -> Iterator[Change]:
    if len(site.takes) == 2:
        yield Change("operands", "exchanged", _call("call(rest[0], x, *rest[1:], **options)"), ("order", "operand"))


def _scale(site: Site) -> Iterator[Change]:
    if not site.step.layer and "dropout" not in site.step.numbers:
        words = (*_label(site, "scale"), *_label(site, "offset"))
        if isinstance(site.step.numbers["scale"], (int, float)) and site.step.numbers["scale"] != 1:
            statement = (
                "def change(call, x, *rest, **options):\n"
                "    half = [0.5 * one if isinstance(one, (int, float)) else one for one in rest]\n"
                "    return call(x, *half, **options) if half != [*rest] else call(x, *rest, **options) * 0.5\n\n"
                "change_call(model, names, change)"
            )
            yield Change("scale", "another factor", statement, words)


def _clip(site: Site) -> Iterator[Change]:
    numbers = site.step.numbers
    words = (*_label(site, "smallest"), *_label(site, "largest"), "exists in TensorFlow only")
    yield Change("act-clipped", "without the clip", _call("x"), words)
    if numbers["largest"] is not None:
        bound = numbers["largest"] * 1.25 + (numbers["largest"] == 0)
        smallest = "" if numbers["smallest"] is None else f", min={numbers['smallest']}"
        yield Change("act-clipped", "other bound", _call(f"paddle.clip(x{smallest}, max={bound})"), words)


def _reduce(site: Site) -> Iterator[Change]:
    function = site.step.numbers["function"]
    other = {"mean": "sum", "sum": "mean", "max": "mean", "min": "mean"}.get(function)
    if other is not None and not site.step.layer:
        statement = _call(f"paddle.{other}(x, *rest, **options)")
        words = (*_label(site, "function"), "reduce", "by which other steps are seen")  # of lengths of sequences
        yield Change("reduction", f"{other} for {function}", statement, words)


def _slice(site: Site) -> Iterator[Change]:
    index = site.step.numbers["index"]
    if sum(isinstance(part, int) for part in index[1:]) == 1 and not site.step.layer:
        statement = (
            "def other(part, extent):\n"
            "    return part if not isinstance(part, int) else 0 if part % extent == extent - 1 else extent - 1\n\n"
            "def change(call, x, item):\n"
            "    parts = item if isinstance(item, tuple) else (item,)\n"
            "    return call(x, tuple(other(part, size) for part, size in zip(parts, x.shape)))\n\n"
            "change_call(model, names, change)"
        )
        yield Change("recurrent-end", "another step", statement, (*_label(site, "index"), "slice"))


def _normalize(site: Site) -> Iterator[Change]:
    changed = "{**options, 'epsilon': 0.1}"
    yield Change("norm-epsilon", "floor 0.1", _call(f"call(x, *rest[:2], **{changed})"), _label(site, "floor"))


def _where(site: Site) -> Iterator[Change]:
    yield Change("mask", "opposite sense", _call("call(x, rest[1], rest[0])"), ("where", "mask"))


def _compare(site: Site) -> Iterator[Change]:
    yield Change("mask", "opposite sense", _call("paddle.logical_not(call(x, *rest, **options))"), ("compare", "mask"))


_KINDS: dict[str, Callable[[Site], Iterator[Change]]] = {
    "activation": _activation,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "dense": _bias,
    "batch_norm": _batch_norm,
    "layer_norm": _norm,
    "group_norm": _group_norm,
    "dropout": _dropout,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_max_pool": lambda site: _global_pool(site, "Avg", "avg", "average"),
    "global_average_pool": lambda site: _global_pool(site, "Max", "max", "max"),
    "embedding": _embedding,
    "recurrent": _recurrent,
    "attention": _attention,
    "resize": _resize,
    "zero_pad": _pad,
    "pad": _pad,
    "concat": _concat,
    "add": _add,
    "subtract": _operands,
    "divide": _operands,
    "scale": _scale,
    "clip": _clip,
    "reduce": _reduce,
    "slice": _slice,
    "normalize": _normalize,
    "where": _where,
    "compare": _compare,
}
