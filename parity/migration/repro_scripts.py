"""One layer as the source of a script in plain TensorFlow or plain Paddle, from its neutral numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.migration.pair import FIRST, SECOND
from parity.numerics import reference_steps
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, distance
from parity.runtime.graph import Step
from parity.runtime.targets import TargetError
from parity.workers.frameworks import FRAMEWORKS

MAPS = ("conv", "conv_transpose", "max_pool", "average_pool", "global_max_pool", "global_average_pool", "zero_pad")

# what Paddle computes on [n, c, h, w]; for the rest the order is the same
CHANNELS_FIRST = (*MAPS, "batch_norm", "group_norm", "prelu")

LAST_AXIS = ("dense", "layer_norm", "activation")  # which axis that is depends on the model's own order

PADDED = 'tf.pad(x, {pads}), {window}, {stride}, "VALID")'

CODE: dict[str, dict[str, str]] = {
    FIRST: {
        "conv": 'y = tf.nn.conv2d(tf.pad(x, {pads}), kernel, {stride}, "VALID", dilations={dilation})',
        "depthwise": "y = tf.nn.depthwise_conv2d(\n"
        '    tf.pad(x, {pads}), kernel, [1, *{stride}, 1], "VALID", dilations={dilation}\n)',
        "conv_transpose": 'y = tf.nn.conv2d_transpose(x, kernel, {full}, {stride}, "VALID")\n'
        "y = y[:, {rows}, {columns}]",
        "dense": "y = tf.matmul(x, kernel)",
        "batch_norm": "y = tf.nn.batch_normalization(x, mean, variance, {beta}, {gamma}, {epsilon})",
        "layer_norm": "mean, variance = tf.nn.moments(x, [-1], keepdims=True)\n"
        "y = tf.nn.batch_normalization(x, mean, variance, {beta}, {gamma}, {epsilon})",
        "group_norm": "moments = tf.nn.moments(tf.reshape(x, [len(x), -1, {groups}, {members}]), [1, 3])\n"
        "mean, variance = (tf.reshape(tf.repeat(each, {members}, 1), {single_cells}) for each in moments)\n"
        "y = tf.nn.batch_normalization(x, mean, variance, {beta}, {gamma}, {epsilon})",
        "prelu": "y = tf.where(x > 0, x, slope * x)",
        "attention": "def split(x):\n"
        "    return tf.transpose(tf.reshape(x, [len(x), -1, {heads}, x.shape[-1] // {heads}]), [0, 2, 1, 3])\n"
        "\n\n"
        "q, k, v = split({query}), split({key}), split({value})\n"
        "y = tf.matmul(tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / {root}), v)\n"
        "x = tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [len(y), -1, out.shape[0]])\n"
        "y = {out}",
        "embedding": "y = tf.gather(kernel, x)",
        "max_pool": "y = tf.nn.max_pool2d(" + PADDED.replace("{pads}", "{pads}, constant_values=-np.inf"),
        "average_pool": "y = tf.nn.avg_pool2d(" + PADDED,
        "uncounted": "y /= tf.nn.avg_pool2d("
        + PADDED.replace("(x,", "(tf.ones_like(x),")
        + "  # the share of the window that is no padding",
        "global_max_pool": "y = tf.reduce_max(x, [1, 2])",
        "global_average_pool": "y = tf.reduce_mean(x, [1, 2])",
        "zero_pad": "y = tf.pad(x, {pads})",
        "scale": "y = x * tf.constant({scale}, x.dtype) + tf.constant({offset}, x.dtype)",
        "concat": "y = tf.concat([{xs}], {axis})",
        "reshape": "y = tf.reshape(x, {made})",
    },
    SECOND: {
        "conv": "y = F.conv2d(x, kernel, {bias}, {stride}, {sides}, {dilation}, {groups})",
        "conv_transpose": "y = F.conv2d_transpose(x, kernel, {bias}, {stride}, {sides}, 0, {dilation}, {groups})",
        "dense": "y = F.linear(x, kernel, {bias})",
        "batch_norm": "gamma, beta = {gamma}, {beta}\n"
        "gamma = paddle.ones_like(mean) if gamma is None else gamma\n"
        "beta = paddle.zeros_like(mean) if beta is None else beta\n"
        "y = F.batch_norm(x, mean, variance, gamma, beta, epsilon={epsilon}, data_format={order!r})",
        "layer_norm": "y = F.layer_norm(x, x.shape[-1:], {gamma}, {beta}, {epsilon})",
        "group_norm": "y = F.group_norm(x, {groups}, {epsilon}, {gamma}, {beta})",
        "prelu": "y = F.prelu(x, slope)",
        "attention": "def split(x):\n"
        "    return x.reshape([len(x), -1, {heads}, x.shape[-1] // {heads}]).transpose([0, 2, 1, 3])\n"
        "\n\n"
        "q, k, v = split({query}), split({key}), split({value})\n"
        "y = paddle.matmul(F.softmax(paddle.matmul(q, k, transpose_y=True) / {root}), v)\n"
        "x = y.transpose([0, 2, 1, 3]).reshape([len(y), -1, out.shape[0]])\n"
        "y = {out}",
        "embedding": "y = F.embedding(x, kernel)",
        "max_pool": "y = F.max_pool2d(x, {window}, {stride}, {sides})",
        "average_pool": "y = F.avg_pool2d(x, {window}, {stride}, {sides}, exclusive=not {count_padding})",
        "global_max_pool": "y = F.adaptive_max_pool2d(x, 1)",
        "global_average_pool": "y = F.adaptive_avg_pool2d(x, 1)",
        "zero_pad": "y = F.pad(x, {turned})",
        "scale": "y = x * paddle.to_tensor({scale}, x.dtype) + paddle.to_tensor({offset}, x.dtype)",
        "concat": "y = paddle.concat([{xs}], {axis})",
        "reshape": "y = x.reshape({made})",
    },
}

ALIKE = {"add": "y = {sum}", "multiply": "y = {product}", "dropout": "y = x  # in inference", "identity": "y = x"}

PLAIN = ("log_softmax", "relu6", "selu", "sigmoid", "silu", "softmax", "softsign", "tanh")  # named alike in both

ACTIVATIONS: dict[str, dict[str, str]] = {
    FIRST: {
        "elu": "tf.where(x > 0, x, {alpha} * tf.nn.elu(x))",
        "gelu": "tf.nn.gelu(x, {approximate})",
        "hard_sigmoid": "tf.clip_by_value({slope} * x + {offset}, 0, 1)",
        "hard_swish": "x * tf.nn.relu6(x + 3) / 6",
        "leaky_relu": "tf.nn.leaky_relu(x, {slope})",
        "linear": "x",
        "celu": "tf.where(x > 0, x, {alpha} * tf.math.expm1(tf.minimum(x, 0) / {alpha}))",
        "hard_tanh": "tf.clip_by_value(x, {smallest}, {largest})",
        "log_sigmoid": "tf.math.log_sigmoid(x)",
        "mish": "x * tf.tanh(tf.nn.softplus(x))",
        "softplus": "tf.nn.softplus({beta} * x) / {beta}",
        "relu": "tf.minimum(tf.where(x < {threshold}, {slope} * (x - {threshold}), x), {largest})",
    }
    | {name: f"tf.nn.{name}(x)" for name in PLAIN},
    SECOND: {
        "elu": "F.elu(x, {alpha})",
        "gelu": "F.gelu(x, {approximate})",
        "hard_sigmoid": "F.hardsigmoid(x, {slope}, {offset})",
        "hard_swish": "F.hardswish(x)",
        "leaky_relu": "F.leaky_relu(x, {slope})",
        "linear": "x",
        "celu": "F.celu(x, {alpha})",
        "hard_tanh": "F.hardtanh(x, {smallest}, {largest})",
        "log_sigmoid": "F.log_sigmoid(x)",
        "mish": "F.mish(x)",
        "softplus": "F.softplus(x, {beta}, {threshold})",
        "relu": "F.relu(x)",
    }
    | {name: f"F.{name}(x)" for name in PLAIN},
}

IMPORTS = {
    FIRST: ["import tensorflow as tf", "", 'tf.config.set_visible_devices([], "GPU")'],
    SECOND: ["import paddle", "import paddle.nn.functional as F", "", 'paddle.set_device("cpu")'],
}

MODULES = {
    FIRST: ("tensorflow", "tf.constant", "tf.__version__"),
    SECOND: ("paddle", "paddle.to_tensor", "paddle.__version__"),
}

SCRIPT = '''"""One layer in {title}, in float64, on recorded numbers. Needs numpy and {module} only: python {file}"""

from pathlib import Path

import numpy as np
{imports}
recorded = np.load(Path(__file__).with_name("repro.npz"))
layer = {layer!r}  # {facts}


def tensor(name):
    """A recorded array in float64; whole numbers as they are."""
    array = recorded[name]
    return {tensor}(array if array.dtype.kind in "iu" else array.astype("float64"))


{body}
found = y.numpy().reshape(recorded["{framework}_output"].shape)


def difference(expected):
    """The largest, relative to the largest expected value."""
    if found.shape != expected.shape:
        return f"shape {{found.shape}} here, {{expected.shape}} there"
    return f"{{np.abs(found - expected).max() / (np.abs(expected).max() or 1):.3e}}"


print("{title}", {version}, layer)
print("difference to what {other_title} made of it:", difference(recorded["{other}_output"]))
print("difference to what {title} made of it when recorded:", difference(recorded["{framework}_output"]))
'''


@dataclass(frozen=True)
class Culprit:
    """A matched layer that differs when run alone: everything its scripts are made of."""

    name: str
    steps: tuple[Step, Step]
    inputs: list[np.ndarray]  # float64 maps [n, h, w, c], sequences or rows; whole numbers
    arrays: Arrays  # canonical, float32
    outputs: dict[str, np.ndarray]  # by framework; float64, channels last
    cause: str


def script(culprit: Culprit, framework: str) -> str:
    """The Python source that runs the layer in one framework. Raises TargetError where no code is known."""
    step = culprit.steps[(FIRST, SECOND).index(framework)]
    other = SECOND if framework == FIRST else FIRST
    module, tensor, version = MODULES[framework]
    return SCRIPT.format(
        title=FRAMEWORKS[framework].title,
        other_title=FRAMEWORKS[other].title,
        framework=framework,
        other=other,
        module=module,
        tensor=tensor,
        version=version,
        file=file_name(framework),
        imports="\n".join(IMPORTS[framework]),
        layer=step.name,
        facts=" ".join(str(step).split()),
        body="\n".join(body_of(culprit, framework)),
    )


def file_name(framework: str) -> str:
    return f"repro_{MODULES[framework][0]}.py"


def own_layout(framework: str, step: Step, kind: str, array: np.ndarray) -> np.ndarray:
    if kind != "kernel" or step.kind not in ("conv", "conv_transpose"):
        return array
    if array.ndim == 2:  # a convolution of single cells
        array = array[None, None]
    if framework == SECOND:
        return np.ascontiguousarray(array.transpose(3, 2, 0, 1))
    depthwise = step.kind == "conv" and _depthwise(step)
    return array.reshape(*array.shape[:2], step.numbers["groups"], -1) if depthwise else array


def _depthwise(step: Step) -> bool:
    """Whether TensorFlow has an operation of its own for it."""
    return step.numbers["groups"] > 1 and step.shapes["kernel"][2] == 1 and len(set(step.numbers["stride"])) == 1


def body_of(culprit: Culprit, framework: str) -> list[str]:
    """From the recorded tensors to `y`, channels last. Raises TargetError where no code is known."""
    step = culprit.steps[(FIRST, SECOND).index(framework)]
    shapes, made = [x.shape for x in culprit.inputs], culprit.outputs[framework].shape
    row = step.kind in CHANNELS_FIRST and len(shapes[0]) == 3  # a sequence, written as maps of one row
    if row:
        shapes, made = [_of_row(shape) for shape in shapes], _of_row(made)
    names = ["x"] if len(shapes) == 1 else [f"x_{place}" for place in range(len(shapes))]
    maps = step.kind in MAPS or any(len(shape) == 4 for shape in shapes)
    lines = []
    for place, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        single = maps and len(shape) == 2 and step.kind not in ("dense", "embedding")
        cells = "[:, None, None, :]" if single else "[:, None]" if row else ""
        lines.append(f'{name} = tensor("input_{place}"){cells}')
    rank = max(4 if maps else 0, *(len(shape) for shape in shapes))
    first = framework == SECOND and rank == 4 and _channels_first(culprit, step, framework)
    lines += [f'{kind} = tensor("{framework}_{kind}")' for kind in culprit.arrays]
    lines += ["x = x.transpose([0, 3, 1, 2])"] if first else []
    facts = _facts(framework, step, names, shapes, made, culprit.arrays)
    lines += _code(step, framework).format(**facts).splitlines()
    if framework == FIRST and "bias" in culprit.arrays:
        lines.append("y = y + bias")
    return [*lines, *(["y = y.transpose([0, 2, 3, 1]) if y.ndim == 4 else y"] if first else [])]


def _of_row(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], 1, *shape[1:]) if len(shape) == 3 else shape


def _code(step: Step, framework: str) -> str:
    kind, numbers = step.kind, step.numbers
    unknown = TargetError(
        f"{step.name!r} ({step}) differs, but a layer of this kind cannot be written out; name another with --layer"
    )
    if kind == "activation":
        made = ACTIVATIONS[framework].get(numbers["function"])
        if made is None:
            raise unknown
        plain = framework == FIRST and numbers == {"function": "relu"}
        return "y = tf.nn.relu(x)" if plain else f"y = {made}"
    if kind == "conv" and framework == FIRST and _depthwise(step):
        kind = "depthwise"
    code = CODE[framework].get(kind) or ALIKE.get(kind)
    if code is None or np.min(numbers.get("crop", 0)) < 0:  # zeros added to a full output
        raise unknown
    uncounted = kind == "average_pool" and not numbers["count_padding"] and any(map(any, numbers["padding"]))
    return code + ("\n" + CODE[FIRST]["uncounted"] if uncounted and framework == FIRST else "")


def _facts(
    framework: str,
    step: Step,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    made: tuple[int, ...],
    arrays: Arrays,
) -> dict[str, Any]:
    """What the code has places for."""
    (top, bottom), (left, right) = step.numbers.get("padding") or step.numbers.get("crop") or [[0, 0], [0, 0]]
    height, width = made[1:3] if len(made) == 4 else (1, 1)
    return {
        **{kind: kind if kind in arrays else None for kind in ("bias", "beta", "gamma")},
        **{"slope": 0.0, "threshold": 0.0},
        **step.numbers,
        **({"threshold": step.numbers["threshold"] or 40.0} if step.numbers.get("function") == "softplus" else {}),
        "largest": "np.inf" if step.numbers.get("largest") is None else step.numbers["largest"],
        "pads": [[0, 0], [top, bottom], [left, right], [0, 0]],
        "sides": [top, bottom, left, right],
        "turned": [left, right, top, bottom],
        "full": [made[0], height + top + bottom, width + left + right, made[-1]],
        "rows": f"{top}:{top + height}",
        "columns": f"{left}:{left + width}",
        "members": made[-1] // step.numbers.get("groups", 1),
        "single_cells": [made[0], *[1] * (len(made) - 2), made[-1]],
        "order": {2: "NC", 3: "NCL", 4: "NCHW"}.get(len(shapes[0]), "NCHW"),
        **(_projections(framework, names, step, arrays) if step.kind == "attention" else {}),
        "xs": ", ".join(names),
        "sum": " + ".join(names),
        "product": " * ".join(names),
        "axis": _axis(shapes, made) if step.kind == "concat" else None,
        "made": list(made),
    }


def _projections(framework: str, names: Sequence[str], step: Step, arrays: Arrays) -> dict[str, Any]:
    """The code of what attention makes of its query, key, value and result, and the root of a head's size."""
    product = {FIRST: "tf.matmul", SECOND: "paddle.matmul"}[framework]
    found = {
        part: f"{product}({name}, {part})" + (f" + {part}_bias" if f"{part}_bias" in arrays else "")
        for part, name in zip(("query", "key", "value", "out"), [*names, "x"], strict=True)
    }
    return found | {"root": (arrays["query"].shape[1] / step.numbers["heads"]) ** 0.5}


def _axis(shapes: Sequence[tuple[int, ...]], made: tuple[int, ...]) -> int:
    """Along which axis these shapes were joined."""
    for axis in range(len(made) - 1, 0, -1):
        joined = list(shapes[0])
        joined[axis] = sum(shape[axis] for shape in shapes)
        if tuple(joined) == made:
            return axis
    return -1


def _channels_first(culprit: Culprit, step: Step, framework: str) -> bool:
    """Whether the layer works on [n, c, h, w]: told by its output where the model's own order decides."""
    if step.kind not in LAST_AXIS or (step.kind == "activation" and "softmax" not in step.numbers["function"]):
        return step.kind in CHANNELS_FIRST
    arrays = {kind: array.astype("float64") for kind, array in culprit.arrays.items()}
    last = reference_steps.compute(step.kind, step.numbers, culprit.inputs, arrays)
    return distance(last, culprit.outputs[framework]) > FLOAT64_LIMIT
