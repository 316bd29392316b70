"""The traps that layers with arrays, activations and pools can fall into."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from parity.faults.pair_change import Change, Site, call_gives, label_of, repaired, set_attribute, with_numbers

OTHER_EPSILON = 1e-3  # Keras's own, where Paddle's is 1e-5


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
        statement = f"replace(model, layers[name], {layer})" if site.once else call_gives(call)
        yield Change(trap, what, statement, label_of(site, number))
    left_out = "replace(model, layers[name], nn.Identity())" if site.once else call_gives("x")
    yield Change(site.step.what.missing_trap, f"{key} left out", left_out, ("exists in TensorFlow only", "activation"))
    if key == "softmax" and len(site.makes) > 1:
        axis = len(site.makes) - 2
        statement = set_attribute("_axis", axis) if site.alone else call_gives(f"call(x, axis={axis})")
        yield Change("softmax-axis", "other axis", statement, label_of(site, "axis"))


def _padding_shifted(site: Site, number: str, trap: str) -> Iterator[Change]:
    """One pixel less before, one more behind, or the reverse."""
    sides = [list(pair) for pair in site.step.numbers[number]]
    if len(sides) < 3 and any(map(any, sides)) and sides == [[max(a, 0), max(b, 0)] for a, b in sides]:
        moved = [[b, a] if a != b else [a - 1, b + 1] if a else [a, b] for a, b in sides]
        yield from repaired(site, trap, "padding on the other side", number, moved)


def _bias(site: Site) -> Iterator[Change]:
    if site.alone and "bias" in site.step.shapes:
        words = ("bias exists in TensorFlow only", "bias exist in TensorFlow only", "exists in TensorFlow only")
        yield Change("conv-bias", "bias left out", set_attribute("bias", None), words)


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
        padded = site.repair(with_numbers(site, padding=grown)) or "pass"
        statement = f"{padded}\nlayers = dict(model.named_sublayers())\n{set_attribute('_dilation', own)}"
        yield Change("dilation", "dilated", statement, label_of(site, "dilation"))


def _stride(site: Site) -> Iterator[Change]:
    """The stride in the next convolution instead."""
    after, stride = site.following, list(site.step.numbers["stride"])
    if after is None or max(stride) == 1 or max(after.numbers["stride"]) > 1 or len(site.makes) != 4:
        return
    sides, window = site.step.numbers["padding"], site.step.shapes["kernel"][:-2]
    if all(extent % 2 and a + b in (extent - 1, extent - 2) for (a, b), extent in zip(sides, window, strict=True)):
        whole = [[extent // 2] * 2 for extent in window]  # all of the maps
        own = site.repair(with_numbers(site, stride=[1, 1], padding=whole))
        statement = f"{own}\nlayers[{after.name!r}]._stride = {stride}"
        yield Change("stride", "in the next convolution", statement, label_of(site, "stride"))


def _conv_transpose(site: Site) -> Iterator[Change]:
    yield from _bias(site)
    sides = [list(pair) for pair in site.step.numbers["crop"]]
    if all(min(pair) >= 0 for pair in sides) and any(map(any, sides)):
        moved = [[b, a] if a != b else [a - 1, b + 1] if a else [a, b] for a, b in sides]
        yield from repaired(site, "same-pad", "cropped on the other side", "crop", moved)


def _other_epsilon(site: Site, trap: str) -> Iterator[Change]:
    epsilon = site.step.numbers["epsilon"]
    other = 1e-5 if epsilon >= OTHER_EPSILON / 2 else OTHER_EPSILON
    yield from repaired(site, trap, "other epsilon", "epsilon", other)


def _batch_norm(site: Site) -> Iterator[Change]:
    yield from _other_epsilon(site, "bn-epsilon")
    momentum = site.step.numbers["momentum"]
    other = 0.9 if abs(momentum - 0.9) > 1e-3 else 0.99
    yield from repaired(site, "bn-momentum", "other momentum", "momentum", other, training=True)
    if site.alone:
        statement = set_attribute("_use_global_stats", True)
        yield Change("bn-frozen", "frozen statistics", statement, label_of(site, "frozen"), training=True)


def _norm(site: Site) -> Iterator[Change]:
    yield from _other_epsilon(site, "act-default")


def _group_norm(site: Site) -> Iterator[Change]:
    yield from _norm(site)
    groups, channels = site.step.numbers["groups"], site.makes[1]
    others = [n for n in (groups * 2, groups // 2) if 0 < n < channels and not channels % n]
    if site.alone and others and groups < channels:
        yield Change("norm-groups", "other groups", set_attribute("_num_groups", others[0]), label_of(site, "groups"))


def _dropout(site: Site) -> Iterator[Change]:
    rate = site.step.numbers["rate"]
    if not site.alone or not rate:
        return
    other = 0.5 if abs(rate - 0.5) > 0.1 else 0.25
    yield Change("dropout-mode", "other rate", set_attribute("p", other), label_of(site, "rate"), training=True)
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
    yield Change("pool-other", what, WINDOWS + call_gives(call), (f"{what}_pool", f"{what} pool"))


def _max_pool(site: Site) -> Iterator[Change]:
    yield from _padding_shifted(site, "padding", "pool-pad")
    yield from _other_pool(site, "avg", "average")


def _average_pool(site: Site) -> Iterator[Change]:
    yield from _padding_shifted(site, "padding", "pool-pad")
    counted = site.step.numbers["count_padding"]
    if counted is not None:
        yield from repaired(site, "avg-pool-exclusive", "padding counts", "count_padding", not counted)
    yield from _other_pool(site, "max", "max")


def _global_pool(site: Site, name: str, function: str, word: str) -> Iterator[Change]:
    rank = len(site.takes[0]) - 2
    if site.alone and rank in (1, 2, 3):
        made = f"nn.Adaptive{name}Pool{rank}D(1)"
        yield Change("pool-other", word, f"replace(model, layers[name], {made})", (f"global_{word}", word))
    elif not site.step.layer and f"adaptive_{'max' if function == 'avg' else 'avg'}" in site.step.name:
        call = call_gives(f"F.adaptive_{function}_pool{rank}d(x, 1)")
        yield Change("pool-other", word, call, (f"global_{word}", word))


def _embedding(site: Site) -> Iterator[Change]:
    if site.alone and site.step.numbers.get("padding_index") is None:
        yield Change(
            "embedding-padding", "padding_idx 0", set_attribute("_padding_idx", 0), label_of(site, "padding_index")
        )


def _recurrent(site: Site) -> Iterator[Change]:
    numbers = site.step.numbers
    if numbers.get("masked"):
        unmasked = call_gives("call(x, *rest[:1], **{k: v for k, v in options.items() if k != 'sequence_length'})")
        yield Change("mask", "lengths left out", unmasked, ("mask",))
    if numbers["cell"] == "rnn" and site.alone:
        other = "relu" if numbers["activation"] == "tanh" else "tanh"
        statement = f"layers[name].mode, layers[name].activation = 'RNN_{other.upper()}', {other!r}"
        cells = (
            "for cell in layers[name].sublayers():\n"
            f"    if hasattr(cell, 'activation'):\n        cell.activation = {other!r}"
        )
        yield Change("act-other", f"{other} in the cell", f"{statement}\n{cells}", label_of(site, "activation"))
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
        yield Change("attention-heads", "other heads", statement, label_of(site, "heads"))
    if numbers.get("mask") is not None:
        left = "{k: v for k, v in options.items() if k != 'attn_mask'}"
        yield Change("mask", "mask left out", call_gives(f"call(x, *rest[:2], **{left})"), ("mask",))
    elif site.takes and len(site.takes[0]) == 3:
        causal = "paddle.tril(paddle.ones([x.shape[1], x.shape[1]])).astype('bool')"
        statement = call_gives(f"call(x, *rest, attn_mask={causal}, **options)")
        yield Change("attention-causal", "causal mask", statement, ("mask", "causal"))
    if numbers["rate"]:
        yield Change(
            "dropout-mode", "other rate", set_attribute("dropout", 0.25), label_of(site, "rate"), training=True
        )


LAYERS: dict[str, Callable[[Site], Iterator[Change]]] = {
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
}
