"""One layer as the source of a script in plain TensorFlow or plain Paddle."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.catalogue.targets import TargetError
from parity.kinds import NEUTRAL, compute
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, relative_gap
from parity.workers.frameworks import FRAMEWORKS

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
output = y.numpy().reshape(recorded["{framework}_output"].shape)


def difference(expected):
    """The largest difference from `expected`, relative to the largest expected value."""
    if output.shape != expected.shape:
        return f"shape {{output.shape}} here, {{expected.shape}} there"
    return f"{{np.abs(output - expected).max() / (np.abs(expected).max() or 1):.3e}}"


print("{title}", {version}, layer)
print("difference from the output of {other_title}:", difference(recorded["{other}_output"]))
print("difference from the recorded output of {title}:", difference(recorded["{framework}_output"]))
'''


@dataclass(frozen=True)
class DifferingLayer:
    """A matched layer that differs when run alone: everything that its scripts need.

    Attributes:
        name: the shared name.
        steps: by framework, the step in its own model.
        inputs: float64 maps [n, h, w, c], sequences [n, t, c] or rows [n, c]; of an embedding int64.
        arrays: by kind, float32, in canonical layout.
        outputs: by framework, float64, channels last.
        cause: one line that says why the outputs differ.
        lines: by framework, code of the layer with placeholders, which its worker wrote; empty where it knows none.
    """

    name: str
    steps: dict[str, RecordedStep]
    inputs: list[np.ndarray]
    arrays: Arrays
    outputs: dict[str, np.ndarray]
    cause: str
    lines: dict[str, str]


def script(layer: DifferingLayer, framework: str) -> str:
    """The Python source that runs the layer in one framework. Raises TargetError where no code for it is known."""
    step = layer.steps[framework]
    other_framework = SECOND if framework == FIRST else FIRST
    module, tensor, version = MODULES[framework]
    return SCRIPT.format(
        title=FRAMEWORKS[framework].title,
        other_title=FRAMEWORKS[other_framework].title,
        framework=framework,
        other=other_framework,
        module=module,
        tensor=tensor,
        version=version,
        file=file_name(framework),
        imports="\n".join(IMPORTS[framework]),
        layer=step.name,
        facts=" ".join(str(step).split()),
        body="\n".join(body_of(layer, framework)),
    )


def file_name(framework: str) -> str:
    """The name of a framework's script.

    Example:
        >>> file_name("paddle")
        'repro_paddle.py'
    """
    return f"repro_{MODULES[framework][0]}.py"


def own_layout(framework: str, step: RecordedStep, kind: str, array: np.ndarray) -> np.ndarray:
    """An array in the layout in which a framework stores it.

    Args:
        framework: "tensorflow" or "paddle".
        step: the layer.
        kind: of the array: "kernel", "bias", ...
        array: in canonical layout; a kernel [h, w, in / groups, out].

    Returns:
        The same numbers; Paddle's kernels are [out, in / groups, h, w], TensorFlow's depthwise ones [h, w, in, m].
    """
    if kind != "kernel" or step.kind not in ("conv", "conv_transpose"):
        return array
    if array.ndim == 2:  # a 1x1 convolution of 1x1 maps
        array = array[None, None]
    if framework == SECOND:
        return np.ascontiguousarray(array.transpose(3, 2, 0, 1))
    depthwise = step.kind == "conv" and _depthwise(step)
    return array.reshape(*array.shape[:2], step.numbers["groups"], -1) if depthwise else array


def _depthwise(step: RecordedStep) -> bool:
    """Whether TensorFlow computes the convolution with its depthwise operation."""
    return step.numbers["groups"] > 1 and step.shapes["kernel"][2] == 1 and len(set(step.numbers["stride"])) == 1


def body_of(layer: DifferingLayer, framework: str) -> list[str]:
    """The lines of a script from the recorded tensors to the output `y`, channels last.

    Raises:
        TargetError: no code for the layer is known.
    """
    step = layer.steps[framework]
    shapes, output_shape = [x.shape for x in layer.inputs], layer.outputs[framework].shape
    as_row = (step.what.on_maps or step.what.per_channel) and len(
        shapes[0]
    ) == 3  # a sequence, written as maps of one row
    if as_row:
        shapes, output_shape = [_of_row(shape) for shape in shapes], _of_row(output_shape)
    names = ["x"] if len(shapes) == 1 else [f"x_{index}" for index in range(len(shapes))]
    maps = step.what.on_maps or any(len(shape) == 4 for shape in shapes)
    lines = []
    for index, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        as_maps = maps and len(shape) == 2 and step.kind not in ("dense", "embedding")
        indexing = "[:, None, None, :]" if as_maps else "[:, None]" if as_row else ""
        lines.append(f'{name} = tensor("input_{index}"){indexing}')
    rank = max(4 if maps else 0, *(len(shape) for shape in shapes))
    channels_first = framework == SECOND and rank == 4 and _channels_first(layer, step, framework)
    lines += [f'{kind} = tensor("{framework}_{kind}")' for kind in layer.arrays]
    lines += ["x = x.transpose([0, 3, 1, 2])"] if channels_first else []
    volumes = any(len(step.numbers.get(sides, ())) > 2 for sides in ("padding", "crop"))
    if volumes or not (code := layer.lines[framework]):
        raise TargetError(
            f"{step.name!r} ({step}) differs, but a layer of this kind cannot be written out; name another with --layer"
        )
    lines += code.format(**_facts(step, names, shapes, output_shape, layer.arrays)).splitlines()
    if framework == FIRST and "bias" in layer.arrays:
        lines.append("y = y + bias")
    return [*lines, *(["y = y.transpose([0, 2, 3, 1]) if y.ndim == 4 else y"] if channels_first else [])]


def _of_row(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], 1, *shape[1:]) if len(shape) == 3 else shape


def _facts(
    step: RecordedStep,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    output_shape: tuple[int, ...],
    arrays: Arrays,
) -> dict[str, Any]:
    """The values of the placeholders in a layer's code."""
    (top, bottom), (left, right) = step.numbers.get("padding") or step.numbers.get("crop") or [[0, 0], [0, 0]]
    height, width = output_shape[1:3] if len(output_shape) == 4 else (1, 1)
    heads = step.numbers.get("heads")
    return {
        **{kind: kind if kind in arrays else None for kind in ("bias", "beta", "gamma")},
        **{kind: f" + {kind}" if kind in arrays else "" for kind in NEUTRAL if kind.endswith("_bias")},
        **{field.name: getattr(step.what, field.name) for field in dataclasses.fields(step.what)},
        **step.numbers,
        "pads": [[0, 0], [top, bottom], [left, right], [0, 0]],
        "sides": [top, bottom, left, right],
        "turned": [left, right, top, bottom],
        "full": [output_shape[0], height + top + bottom, width + left + right, output_shape[-1]],
        "rows": f"{top}:{top + height}",
        "columns": f"{left}:{left + width}",
        "members": output_shape[-1] // step.numbers.get("groups", 1),
        "broadcast_shape": [output_shape[0], *[1] * (len(output_shape) - 2), output_shape[-1]],
        "order": {2: "NC", 3: "NCL", 4: "NCHW"}.get(len(shapes[0]), "NCHW"),
        "root": (arrays["query"].shape[1] / heads) ** 0.5 if heads else None,  # of a head's size
        "xs": list(names),
        "joined": ", ".join(names),
        "sum": " + ".join(names),
        "product": " * ".join(names),
        "axis": _axis(shapes, output_shape) if step.kind == "concat" else step.numbers.get("axis"),
        "made": list(output_shape),
    }


def _axis(shapes: Sequence[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
    """Along which axis tensors of these shapes were concatenated."""
    for axis in range(len(output_shape) - 1, 0, -1):
        joined = list(shapes[0])
        joined[axis] = sum(shape[axis] for shape in shapes)
        if tuple(joined) == output_shape:
            return axis
    return -1


def _channels_first(layer: DifferingLayer, step: RecordedStep, framework: str) -> bool:
    """Whether the layer works on [n, c, h, w]; where the model decides that, its output shows it."""
    if not step.what.last_axis:
        return step.what.on_maps or step.what.per_channel
    arrays = {kind: array.astype("float64") for kind, array in layer.arrays.items()}
    channels_last = compute(step.kind, step.numbers, layer.inputs, arrays)
    return relative_gap(channels_last, layer.outputs[framework]) > FLOAT64_LIMIT
