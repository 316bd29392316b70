"""Steps as a graph has them, and the same as expressions of the frameworks: what the reference of steps is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.kinds import compute
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, compare

Shape = tuple[int, ...]

FLOAT32_LIMIT = 2.0**-20  # of what is computed in float32: some units of its last digit

MAPS: tuple[Shape, ...] = ((2, 8, 8, 3),)

ROWS: tuple[Shape, ...] = ((5, 8),)

SEQUENCES: tuple[Shape, ...] = ((2, 6, 8),)

VOLUMES: tuple[Shape, ...] = ((2, 4, 5, 6, 3),)

VECTORS: dict[str, Shape] = {"gamma": (3,), "beta": (3,), "mean": (3,), "variance": (3,)}

NO_PADDING = [[0, 0], [0, 0]]


def single(value: float) -> float:
    """As float32 holds it."""
    return float(np.float32(value))


def conv(padding: list[list[int]], *, stride: int = 1, dilation: int = 1, groups: int = 1) -> dict[str, Any]:
    return {"stride": [stride] * 2, "padding": padding, "dilation": [dilation] * 2, "groups": groups}


def pool(padding: list[list[int]], window: list[int], stride: list[int], **more: bool) -> dict[str, Any]:
    return {"window": window, "stride": stride, "padding": padding, **more}


@dataclass(frozen=True)
class Case:
    """A step, and the same one as an expression of each framework that has it.

    The expressions know x, the first input, xs, all of them, and the arrays by kind, each and all as `arrays`; for
    Paddle, maps and their kernels are in its own layout. Inputs of rank 1 are lengths of the first one's sequences.
    """

    kind: str
    numbers: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Shape, ...] = MAPS
    arrays: Mapping[str, Shape] = field(default_factory=dict)
    deviation: float = 4.0  # of the inputs
    shift: float = 0.0  # their mean
    tokens: int = 0  # inputs are whole numbers below this
    passes_nan: bool = True  # from the middle of the first input to its own output
    paddle: str = ""
    tensorflow: str = ""
    rounded: dict[str, dict[str, float]] = field(default_factory=dict)  # numbers that a framework takes in float32
    more: list[np.ndarray] = field(default_factory=list)  # inputs that the expressions have as constants
    float32: tuple[str, ...] = ()  # frameworks that compute it in float32 whatever they are given

    def drawn(self) -> tuple[list[np.ndarray], Arrays]:
        """Inputs that reach both ends of every activation function; arrays of the size of one."""
        draw = np.random.default_rng(0)
        inputs: list[np.ndarray] = [
            draw.integers(0, self.tokens, shape)
            if self.tokens
            else self.inputs[0][1] - np.arange(shape[0])  # the first is whole
            if len(shape) == 1
            else draw.normal(self.shift, self.deviation, shape)
            for shape in self.inputs
        ]
        return inputs, {kind: draw.uniform(0.1, 1, shape) for kind, shape in self.arrays.items()}

    def compared(self, actual: np.ndarray, limit: float = FLOAT64_LIMIT, **changed: Any) -> Comparison:
        """The reference, by the step's numbers but for those changed, against what a framework found."""
        inputs, arrays = self.drawn()
        expected = compute(self.kind, self.numbers | changed, [*inputs, *self.more], arrays)
        return compare({"y": expected.astype(float)}, {"y": actual}, limit)


def activation(name: str, paddle: str = "", tensorflow: str = "", **more: Any) -> Case:
    rounded = more.pop("rounded", {})
    return Case("activation", {"function": name, **more}, paddle=paddle, tensorflow=tensorflow, rounded=rounded)


def transposed(crop: list[list[int]], *, stride: int = 1, dilation: int = 1, groups: int = 1) -> dict[str, Any]:
    return {"stride": [stride] * 2, "crop": crop, "dilation": [dilation] * 2, "groups": groups}


def recurrent_arrays(gates: int, *, into: int = 8, prefix: str = "", recurrent_bias: bool = False) -> dict[str, Shape]:
    """Those of three units."""
    more: dict[str, Shape] = {"recurrent_bias": (3 * gates,)} if recurrent_bias else {}
    own = {"kernel": (into, 3 * gates), "recurrent_kernel": (3, 3 * gates), "bias": (3 * gates,), **more}
    return {prefix + name: shape for name, shape in own.items()}


def recurrent(
    cell: str,
    paddle: str = "",
    tensorflow: str = "",
    *,
    inputs: tuple[Shape, ...] = SEQUENCES,
    arrays: Mapping[str, Shape] | None = None,
    **numbers: Any,
) -> Case:
    """A recurrent layer by its cell; `numbers` are those in which it is not Paddle's own."""
    own: dict[str, dict[str, Any]] = {
        "lstm": {"recurrent_activation": "sigmoid", "output_activation": "tanh"},
        "gru": {"recurrent_activation": "sigmoid", "reset_after": True},
        "rnn": {},
    }
    arrays = recurrent_arrays({"lstm": 4, "gru": 3, "rnn": 1}[cell]) if arrays is None else arrays
    every = {"cell": cell, "activation": "tanh"} | own[cell] | numbers
    return Case("recurrent", every, inputs, arrays, deviation=0.5, paddle=paddle, tensorflow=tensorflow)


ATTENTION: dict[str, Shape] = {
    **dict.fromkeys(("query", "key", "value", "out"), (8, 8)),
    **{f"{part}_bias": (8,) for part in ("query", "key", "value", "out")},
}

TRANSPOSED: dict[str, Shape] = {"kernel": (3, 3, 4, 3), "bias": (4,)}

KERNEL: dict[str, Shape] = {"kernel": (3, 3, 3, 4), "bias": (4,)}

CASES = {
    "conv, SAME with stride 2": Case(
        "conv",
        conv([[0, 1], [0, 1]], stride=2),
        arrays=KERNEL,
        paddle="F.conv2d(x, kernel, bias, stride=2, padding='SAME')",
        tensorflow="tf.nn.conv2d(x, kernel, 2, 'SAME') + bias",
    ),
    "conv, padding 1 with stride 2": Case(
        "conv",
        conv([[1, 0], [1, 0]], stride=2),
        arrays=KERNEL,
        paddle="F.conv2d(x, kernel, bias, stride=2, padding=1)",
        tensorflow="tf.nn.conv2d(x, kernel, 2, [[0, 0], [1, 1], [1, 1], [0, 0]]) + bias",
    ),
    "conv, four different sides": Case(
        "conv",
        conv([[3, 0], [1, 2]]),
        arrays=KERNEL,
        paddle="F.conv2d(x, kernel, bias, padding=[3, 0, 1, 2])",
        tensorflow="tf.nn.conv2d(x, kernel, 1, [[0, 0], [3, 0], [1, 2], [0, 0]]) + bias",
    ),
    "conv, wide kernel, wide stride": Case(
        "conv",
        conv(NO_PADDING) | {"stride": [1, 2]},
        arrays={"kernel": (2, 5, 3, 4)},
        paddle="F.conv2d(x, kernel, stride=[1, 2])",
        tensorflow="tf.nn.conv2d(x, kernel, [1, 2], 'VALID')",
    ),
    "conv, dilation 2": Case(
        "conv",
        conv([[2, 2], [2, 2]], dilation=2),
        arrays=KERNEL,
        paddle="F.conv2d(x, kernel, bias, padding=2, dilation=2)",
        tensorflow="tf.nn.conv2d(x, kernel, 1, 'SAME', dilations=2) + bias",
    ),
    "conv, Paddle's SAME with dilation 2": Case(  # which forgets the dilation
        "conv", conv([[1, 1], [1, 1]]), arrays=KERNEL, paddle="F.conv2d(x, kernel, bias, padding='SAME', dilation=2)"
    ),
    "conv, groups": Case(
        "conv",
        conv([[1, 1], [1, 1]], groups=2),
        ((2, 8, 8, 6),),
        {"kernel": (3, 3, 3, 4), "bias": (4,)},
        paddle="F.conv2d(x, kernel, bias, padding=1, groups=2)",
        tensorflow="tf.nn.conv2d(x, kernel, 1, 'SAME') + bias",
    ),
    "conv, depthwise": Case(
        "conv",
        conv([[0, 1], [0, 1]], stride=2, groups=6),
        ((2, 8, 8, 6),),
        {"kernel": (3, 3, 1, 6), "bias": (6,)},
        paddle="F.conv2d(x, kernel, bias, stride=2, padding=[0, 1, 0, 1], groups=6)",
        tensorflow="tf.nn.depthwise_conv2d(x, tf.reshape(kernel, (3, 3, 6, 1)), [1, 2, 2, 1], 'SAME') + bias",
    ),
    "conv, depthwise with multiplier 2": Case(
        "conv",
        conv([[1, 1], [1, 1]], groups=3),
        arrays={"kernel": (3, 3, 1, 6)},
        paddle="F.conv2d(x, kernel, padding=1, groups=3)",
        tensorflow="tf.nn.depthwise_conv2d(x, tf.reshape(kernel, (3, 3, 3, 2)), [1, 1, 1, 1], 'SAME')",
    ),
    "conv, of rows": Case(
        "conv",
        conv(NO_PADDING),
        ROWS,
        {"kernel": (1, 1, 8, 4), "bias": (4,)},
        paddle="F.conv2d(x[:, :, None, None], kernel, bias).flatten(1)",
        tensorflow="tf.squeeze(tf.nn.conv2d(x[:, None, None, :], kernel, 1, 'VALID'), (1, 2)) + bias",
    ),
    "conv, to rows": Case(
        "conv",
        conv(NO_PADDING),
        arrays={"kernel": (8, 8, 3, 4)},
        paddle="F.conv2d(x, kernel).flatten(1)",
        tensorflow="tf.squeeze(tf.nn.conv2d(x, kernel, 1, 'VALID'), (1, 2))",
    ),
    "conv, of sequences, SAME with stride 2": Case(
        "conv",
        conv([[0, 0], [0, 1]]) | {"stride": [1, 2]},
        SEQUENCES,
        {"kernel": (1, 3, 8, 4), "bias": (4,)},
        paddle="turned(F.conv1d(turned(x), kernel.squeeze(2), bias, 2, 'SAME'))",
        tensorflow="tf.nn.conv1d(x, kernel[0], 2, 'SAME') + bias",
    ),
    "conv, of sequences, causal with dilation 2": Case(
        "conv",
        conv([[0, 0], [4, 0]]) | {"dilation": [1, 2]},
        SEQUENCES,
        {"kernel": (1, 3, 8, 4)},
        paddle="turned(F.conv1d(turned(x), kernel.squeeze(2), None, 1, [4, 0], 2))",
        tensorflow="layer(layers.Conv1D(4, 3, padding='causal', dilation_rate=2, use_bias=False), x, kernel[0])",
    ),
    "conv, of volumes": Case(
        "conv",
        {"stride": [1, 2, 1], "padding": [[1, 1], [1, 0], [0, 0]], "dilation": [1, 1, 1], "groups": 1},
        VOLUMES,
        {"kernel": (3, 3, 2, 3, 4), "bias": (4,)},
        paddle="F.conv3d(x, kernel, bias, [1, 2, 1], [1, 1, 1, 0, 0, 0])",
        tensorflow="tf.nn.conv3d(tf.pad(x, [[0, 0], [1, 1], [1, 0], [0, 0], [0, 0]]), kernel, "
        "[1, 1, 2, 1, 1], 'VALID') + bias",
    ),
    "max_pool, of volumes": Case(
        "max_pool",
        {"window": [2, 3, 2], "stride": [1, 2, 2], "padding": [[0, 1], [1, 1], [0, 0]]},
        VOLUMES,
        paddle="F.max_pool3d(x, [2, 3, 2], [1, 2, 2], [0, 1, 1, 1, 0, 0])",
        tensorflow="layers.MaxPooling3D([2, 3, 2], [1, 2, 2], 'same', dtype='float32')(x)",
        float32=("tensorflow",),  # which has no other
    ),
    "global_average_pool, of volumes": Case(
        "global_average_pool",
        inputs=VOLUMES,
        paddle="F.adaptive_avg_pool3d(x, 1).flatten(1)",
        tensorflow="layers.GlobalAveragePooling3D()(x)",
    ),
    "conv_transpose, SAME with stride 2": Case(
        "conv_transpose",
        transposed([[0, 1], [0, 1]], stride=2),
        arrays=TRANSPOSED,
        paddle="F.conv2d_transpose(x, kernel, bias, 2, [0, 1, 0, 1])",
        tensorflow="layer(layers.Conv2DTranspose(4, 3, 2, 'same'), x, kernel, bias)",
    ),
    "conv_transpose, padding 1 with stride 2": Case(
        "conv_transpose",
        transposed([[1, 0], [1, 0]], stride=2),
        arrays=TRANSPOSED,
        paddle="F.conv2d_transpose(x, kernel, bias, 2, 1, output_padding=1)",
        tensorflow="tf.nn.conv2d_transpose(x, kernel, (2, 17, 17, 4), 2, 'VALID')[:, 1:, 1:] + bias",
    ),
    "conv_transpose, stride beyond the kernel": Case(  # after which TensorFlow adds zeros
        "conv_transpose",
        transposed([[0, -1], [0, -1]], stride=3),
        arrays={"kernel": (2, 2, 4, 3), "bias": (4,)},
        paddle="F.conv2d_transpose(x, kernel, bias, 3, output_padding=1)",
        tensorflow="layer(layers.Conv2DTranspose(4, 2, 3, 'valid'), x, kernel, bias)",
    ),
    "conv_transpose, wide": Case(
        "conv_transpose",
        transposed(NO_PADDING) | {"stride": [1, 2]},
        arrays={"kernel": (2, 5, 4, 3)},
        paddle="F.conv2d_transpose(x, kernel, stride=[1, 2])",
        tensorflow="layer(layers.Conv2DTranspose(4, (2, 5), (1, 2), use_bias=False), x, kernel)",
    ),
    "conv_transpose, groups, dilation 2": Case(
        "conv_transpose",
        transposed([[2, 2], [2, 2]], dilation=2, groups=2),
        ((2, 8, 8, 6),),
        {"kernel": (3, 3, 2, 6), "bias": (4,)},
        paddle="F.conv2d_transpose(x, kernel, bias, 1, 2, dilation=2, groups=2)",
    ),
    "dense": Case(
        "dense",
        inputs=ROWS,
        arrays={"kernel": (8, 4), "bias": (4,)},
        paddle="F.linear(x, kernel, bias)",
        tensorflow="layer(layers.Dense(4), x, kernel, bias)",
    ),
    "dense, of sequences without bias": Case(
        "dense",
        inputs=((2, 5, 8),),
        arrays={"kernel": (8, 4)},
        paddle="F.linear(x, kernel)",
        tensorflow="layer(layers.Dense(4, use_bias=False), x, kernel)",
    ),
    "batch_norm": Case(
        "batch_norm",
        {"epsilon": 0.1, "momentum": 0.9},
        arrays=VECTORS,
        paddle="F.batch_norm(x, mean, variance, gamma, beta, epsilon=0.1)",
        tensorflow="layer(layers.BatchNormalization(epsilon=0.1), x, gamma, beta, mean, variance)",
        rounded={"paddle": {"epsilon": single(0.1)}},
    ),
    "batch_norm, neither scaled nor moved": Case(
        "batch_norm",
        {"epsilon": 0.25, "momentum": 0.9},
        arrays={"mean": (3,), "variance": (3,)},
        paddle="F.batch_norm(x, mean, variance, None, None, epsilon=0.25)",
        tensorflow="tf.nn.batch_normalization(x, mean, variance, None, None, 0.25)",
    ),
    "layer_norm": Case(
        "layer_norm",
        {"epsilon": 1e-3},  # Paddle takes none above
        ((2, 5, 8),),
        {"gamma": (8,), "beta": (8,)},
        deviation=0.01,
        paddle="F.layer_norm(x, 8, gamma, beta, epsilon=1e-3)",
        tensorflow="layer(layers.LayerNormalization(epsilon=1e-3), x, gamma, beta)",
        rounded={"paddle": {"epsilon": single(1e-3)}},
    ),
    "layer_norm, neither scaled nor moved": Case(
        "layer_norm",
        {"epsilon": 2.0**-10},
        ROWS,
        paddle="F.layer_norm(x, 8, None, None, epsilon=2.0**-10)",
        tensorflow="layers.LayerNormalization(epsilon=2.0**-10, center=False, scale=False)(x)",
    ),
    "group_norm": Case(
        "group_norm",
        {"epsilon": 0.1, "groups": 2},
        ((2, 8, 8, 6),),
        {"gamma": (6,), "beta": (6,)},
        paddle="F.group_norm(x, 2, 0.1, gamma, beta)",
        tensorflow="layer(layers.GroupNormalization(2, epsilon=0.1), x, gamma, beta)",
    ),
    "group_norm, of each channel": Case(
        "group_norm",
        {"epsilon": 0.1, "groups": 3},
        arrays={"gamma": (3,), "beta": (3,)},
        paddle="F.instance_norm(x, weight=gamma, bias=beta, eps=0.1)",
        tensorflow="layer(layers.GroupNormalization(-1, epsilon=0.1), x, gamma, beta)",
        rounded={"paddle": {"epsilon": single(0.1)}},
    ),
    "group_norm, of rows, neither scaled nor moved": Case(
        "group_norm",
        {"epsilon": 0.1, "groups": 2},
        ROWS,
        paddle="F.group_norm(x, 2, 0.1)",
        tensorflow="layers.GroupNormalization(2, epsilon=0.1, center=False, scale=False)(x)",
    ),
    "attention": Case(
        "attention",
        {"heads": 2, "rate": 0.0},
        ((3, 5, 8), (3, 4, 6), (3, 4, 5)),
        {"query": (8, 8), "key": (6, 8), "value": (5, 8), "out": (8, 8)}
        | {f"{part}_bias": (8,) for part in ("query", "key", "value", "out")},
        deviation=0.5,
        paddle="attend(xs, 2, query, key, value, out, query_bias, key_bias, value_bias, out_bias)",
        tensorflow="attend(xs, 2, query, key, value, out, query_bias, key_bias, value_bias, out_bias)",
    ),
    "attention, causal": Case(
        "attention",
        {"heads": 2, "rate": 0.0, "mask": "causal"},
        ((3, 5, 8), (3, 5, 8), (3, 5, 8)),
        ATTENTION,
        deviation=0.5,
        paddle="attend(xs, 2, *arrays.values(), mask=paddle.ones([5, 5], 'bool').tril())",
        tensorflow="attend(xs, 2, *arrays.values(), use_causal_mask=True)",
        more=[np.tri(5)],
    ),
    "attention, masked": Case(
        "attention",
        {"heads": 2, "rate": 0.0, "mask": "given"},
        ((3, 5, 8), (3, 4, 8), (3, 4, 8)),
        ATTENTION,
        deviation=0.5,
        paddle="attend(xs, 2, *arrays.values(), mask=paddle.arange(4) < 3)",
        tensorflow="attend(xs, 2, *arrays.values(), attention_mask=(tf.range(4) < 3)[None, None, :])",
        more=[np.array([[1, 1, 1, 0]])],
    ),
    "attention, with a mask that is added": Case(
        "attention",
        {"heads": 2, "rate": 0.0, "mask": "given", "added": True},
        ((3, 5, 8), (3, 4, 8), (3, 4, 8)),
        ATTENTION,
        deviation=0.5,
        paddle="attend(xs, 2, *arrays.values(), mask=paddle.arange(4).astype('float64').reshape([1, 1, 1, 4]))",
        more=[np.arange(4.0).reshape(1, 1, 1, 4)],
    ),
    "embedding": Case(
        "embedding",
        inputs=((4, 6),),
        arrays={"kernel": (10, 3)},
        tokens=10,
        paddle="F.embedding(x, kernel)",
        tensorflow="layer(layers.Embedding(10, 3), x, kernel)",
    ),
    "embedding, with zeros at an index": Case(
        "embedding",
        {"padding_index": 8},
        ((4, 6),),
        {"kernel": (10, 3)},
        tokens=10,
        paddle="F.embedding(x, kernel, padding_idx=-2)",
    ),
    "embedding, of rows of a norm at most": Case(
        "embedding",
        {"max_norm": 0.75},
        ((4, 6),),
        {"kernel": (10, 3)},
        tokens=10,
        paddle="F.embedding(x, kernel, max_norm=0.75)",
    ),
    "adaptive_pool, averages": Case(
        "adaptive_pool",
        {"function": "average", "size": [3, 5]},
        paddle="F.adaptive_avg_pool2d(x, [3, 5])",
        tensorflow="layers.AdaptiveAveragePooling2D([3, 5])(x)",
    ),
    "adaptive_pool, the largest": Case(
        "adaptive_pool",
        {"function": "max", "size": [3, 5]},
        paddle="nn.AdaptiveMaxPool2D([3, 5])(x)",
        tensorflow="layers.AdaptiveMaxPooling2D([3, 5])(x)",
    ),
    "adaptive_pool, of sequences": Case(
        "adaptive_pool",
        {"function": "average", "size": [1, 4]},
        SEQUENCES,
        paddle="turned(F.adaptive_avg_pool1d(turned(x), 4))",
        tensorflow="layers.AdaptiveAveragePooling1D(4)(x)",
    ),
    "dropout, of channels": Case(
        "dropout",
        {"rate": 0.5, "spatial": True},
        paddle="F.dropout2d(x, 0.5, training=False)",
        tensorflow="layers.SpatialDropout2D(0.5)(x, training=False)",
    ),
    "dropout, alpha": Case(
        "dropout",
        {"rate": 0.25, "alpha": True},
        ROWS,
        paddle="F.alpha_dropout(x, 0.25, training=False)",
        tensorflow="layers.AlphaDropout(0.25)(x, training=False)",
    ),
    "max_pool, SAME": Case(
        "max_pool",
        pool([[0, 1], [0, 1]], [3, 3], [2, 2]),
        paddle="F.max_pool2d(x, 3, 2, padding='SAME')",
        tensorflow="tf.nn.max_pool2d(x, 3, 2, 'SAME')",
    ),
    "max_pool, padding 1": Case(
        "max_pool",
        pool([[1, 0], [1, 0]], [3, 3], [2, 2]),
        paddle="F.max_pool2d(x, 3, 2, padding=1)",
        tensorflow="tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 1], [1, 1], [0, 0]])",
    ),
    "max_pool, wide": Case(
        "max_pool",
        pool(NO_PADDING, [2, 4], [3, 1]),
        paddle="F.max_pool2d(x, [2, 4], [3, 1])",
        tensorflow="tf.nn.max_pool2d(x, [2, 4], [3, 1], 'VALID')",
    ),
    "max_pool, of sequences": Case(
        "max_pool",
        pool([[0, 0], [0, 1]], [1, 3], [1, 2]),
        SEQUENCES,
        paddle="turned(F.max_pool1d(turned(x), 3, 2, [0, 1]))",
        tensorflow="layers.MaxPooling1D(3, 2, 'same')(x)",
    ),
    "average_pool, of sequences": Case(
        "average_pool",
        pool([[0, 0], [1, 1]], [1, 3], [1, 1], count_padding=False),
        SEQUENCES,
        paddle="turned(F.avg_pool1d(turned(x), 3, 1, 1))",
        tensorflow="layers.AveragePooling1D(3, 1, 'same')(x)",
    ),
    "global_max_pool, of sequences": Case(
        "global_max_pool",
        inputs=SEQUENCES,
        paddle="F.adaptive_max_pool1d(turned(x), 1).flatten(1)",
        tensorflow="layers.GlobalMaxPooling1D()(x)",
    ),
    "global_average_pool, of sequences": Case(
        "global_average_pool",
        inputs=SEQUENCES,
        paddle="F.adaptive_avg_pool1d(turned(x), 1).flatten(1)",
        tensorflow="layers.GlobalAveragePooling1D()(x)",
    ),
    "average_pool, padding counted": Case(
        "average_pool",
        pool([[1, 0], [1, 0]], [3, 3], [2, 2], count_padding=True),
        paddle="F.avg_pool2d(x, 3, 2, padding=1, exclusive=False)",
        tensorflow="layers.AveragePooling2D(3, 2)(layers.ZeroPadding2D(1)(x))",
    ),
    "average_pool, padding 1 not counted": Case(
        "average_pool",
        pool([[1, 0], [1, 0]], [3, 3], [2, 2], count_padding=False),
        paddle="F.avg_pool2d(x, 3, 2, padding=1)",
    ),
    "average_pool, SAME": Case(
        "average_pool",
        pool([[0, 1], [0, 1]], [3, 3], [2, 2], count_padding=False),
        paddle="F.avg_pool2d(x, 3, 2, padding='SAME')",
        tensorflow="layers.AveragePooling2D(3, 2, 'same')(x)",
    ),
    "average_pool, wide": Case(
        "average_pool",
        pool(NO_PADDING, [2, 4], [3, 1], count_padding=False),
        paddle="F.avg_pool2d(x, [2, 4], [3, 1])",
        tensorflow="layers.AveragePooling2D([2, 4], [3, 1])(x)",
    ),
    "global_max_pool": Case(
        "global_max_pool",
        paddle="F.adaptive_max_pool2d(x, 1).flatten(1)",
        tensorflow="layers.GlobalMaxPooling2D()(x)",
    ),
    "global_average_pool": Case(
        "global_average_pool",
        paddle="F.adaptive_avg_pool2d(x, 1).flatten(1)",
        tensorflow="layers.GlobalAveragePooling2D()(x)",
    ),
    "linear": activation("linear", "paddle.nn.Identity()(x)", "keras.activations.linear(x)"),
    "relu": activation("relu", "F.relu(x)", "tf.nn.relu(x)"),
    "relu, Keras's with all its numbers": activation(
        "relu",
        tensorflow="layers.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.5)(x)",
        largest=3.0,
        slope=0.1,
        threshold=0.5,
    ),
    "relu6": activation("relu6", "F.relu6(x)", "tf.nn.relu6(x)"),
    "leaky_relu": activation(
        "leaky_relu",
        "F.leaky_relu(x, 0.1)",
        "layers.LeakyReLU(0.1)(x)",
        slope=0.1,
        rounded={"tensorflow": {"slope": single(0.1)}},
    ),
    "elu": activation(
        "elu", "F.elu(x, 0.3)", "layers.ELU(0.3)(x)", alpha=0.3, rounded={"paddle": {"alpha": single(0.3)}}
    ),
    "gelu": activation(
        "gelu",
        "F.gelu(x)",
        "keras.activations.gelu(x)",
        approximate=False,
        rounded={"tensorflow": {"factor": single(0.5**0.5)}},
    ),
    "gelu, approximate": activation(
        "gelu",
        "F.gelu(x, approximate=True)",
        "keras.activations.gelu(x, approximate=True)",
        approximate=True,
        rounded={"tensorflow": {"cubic": single(0.044715)}},
    ),
    "sigmoid": activation("sigmoid", "F.sigmoid(x)", "keras.activations.sigmoid(x)"),
    "tanh": activation("tanh", "F.tanh(x)", "keras.activations.tanh(x)"),
    "silu": activation("silu", "F.silu(x)", "keras.activations.silu(x)"),
    "hard_swish": activation("hard_swish", "F.hardswish(x)", "keras.activations.hard_silu(x)"),
    "hard_sigmoid": activation(
        "hard_sigmoid",
        "F.hardsigmoid(x)",
        "keras.activations.hard_sigmoid(x)",
        rounded={"paddle": {"slope": single(0.1666667)}},
    ),
    "hard_sigmoid, of other numbers": activation(
        "hard_sigmoid", "F.hardsigmoid(x, slope=0.25, offset=0.375)", slope=0.25, offset=0.375
    ),
    "softmax": Case(
        "activation",
        {"function": "softmax"},
        ROWS,
        paddle="F.softmax(x)",
        tensorflow="keras.activations.softmax(x)",
    ),
    "log_softmax": Case(
        "activation",
        {"function": "log_softmax", "floor": None},
        ROWS,
        paddle="F.log_softmax(x)",
        tensorflow="keras.activations.log_softmax(x)",
    ),
    "log_softmax, Paddle's, which has a floor": Case(
        "activation", {"function": "log_softmax", "floor": -64.0}, ROWS, deviation=60.0, paddle="F.log_softmax(x)"
    ),
    "log_softmax, TensorFlow's, which has none": Case(
        "activation",
        {"function": "log_softmax", "floor": None},
        ROWS,
        deviation=60.0,
        tensorflow="tf.nn.log_softmax(x)",
    ),
    "softplus": activation(
        "softplus", "F.softplus(x, threshold=40)", "keras.activations.softplus(x)", beta=1.0, threshold=None
    ),
    "softplus, Paddle's with its numbers": activation(
        "softplus", "F.softplus(x, beta=2.0, threshold=5)", beta=2.0, threshold=5.0
    ),
    "selu": activation(
        "selu",
        "F.selu(x)",
        "keras.activations.selu(x)",
        rounded={"paddle": {"scale": single(1.0507009873554805), "alpha": single(1.6732632423543772)}},
    ),
    "mish": activation("mish", "F.mish(x)", "keras.activations.mish(x)"),
    "softsign": activation("softsign", "F.softsign(x)", "keras.activations.softsign(x)"),
    "celu": activation(
        "celu",
        "F.celu(x, 0.3)",
        "keras.activations.celu(x, 0.3)",
        alpha=0.3,
        rounded={"paddle": {"alpha": single(0.3)}},
    ),
    "hard_tanh": activation("hard_tanh", "F.hardtanh(x)", "keras.activations.hard_tanh(x)", smallest=-1.0, largest=1.0),
    "soft_shrink": activation(
        "soft_shrink",
        "F.softshrink(x, 0.3)",
        "keras.activations.soft_shrink(x, 0.3)",
        threshold=0.3,
        rounded={"paddle": {"threshold": single(0.3)}},
    ),
    "hard_shrink": activation(
        "hard_shrink", "F.hardshrink(x, 0.25)", "keras.activations.hard_shrink(x, 0.25)", threshold=0.25
    ),
    "thresholded_relu": activation(
        "thresholded_relu",
        "F.thresholded_relu(x, 0.25, 0.5)",
        "keras.activations.threshold(x, 0.25, 0.5)",
        threshold=0.25,
        below=0.5,
    ),
    "log_sigmoid": activation("log_sigmoid", "F.log_sigmoid(x)", "keras.activations.log_sigmoid(x)"),
    "prelu": Case(
        "prelu",
        arrays={"slope": (3,)},
        paddle="F.prelu(x, slope)",
        tensorflow="layer(layers.PReLU(shared_axes=[1, 2]), x, tf.reshape(slope, (1, 1, 3)))",
    ),
    "prelu, one slope": Case(
        "prelu",
        arrays={"slope": (1,)},
        paddle="F.prelu(x, slope)",
        tensorflow="layer(layers.PReLU(shared_axes=[1, 2, 3]), x, tf.reshape(slope, (1, 1, 1)))",
    ),
    "dropout": Case(
        "dropout",
        {"rate": 0.5},
        paddle="F.dropout(x, 0.5, training=False)",
        tensorflow="layers.Dropout(0.5)(x, training=False)",
    ),
    "zero_pad": Case(
        "zero_pad",
        {"padding": [[1, 2], [3, 4]]},
        paddle="nn.ZeroPad2D([3, 4, 1, 2])(x)",
        tensorflow="layers.ZeroPadding2D([[1, 2], [3, 4]])(x)",
    ),
    "zero_pad, of sequences": Case(
        "zero_pad",
        {"padding": [[0, 0], [1, 2]]},
        SEQUENCES,
        paddle="turned(F.pad(turned(x), [1, 2], data_format='NCL'))",
        tensorflow="layers.ZeroPadding1D([1, 2])(x)",
    ),
    "zero_pad, as a function": Case(
        "zero_pad",
        {"padding": [[1, 2], [3, 4]]},
        paddle="F.pad(x, [3, 4, 1, 2])",
        tensorflow="tf.pad(x, [[0, 0], [1, 2], [3, 4], [0, 0]])",
    ),
    "zero_pad, of all axes from the first": Case(  # how Paddle takes a list of as many pairs as there are axes
        "zero_pad",
        {"padding": [[1, 2], [3, 4]]},
        paddle="F.pad(x, [0, 0, 0, 0, 1, 2, 3, 4])",
        tensorflow="keras.ops.pad(x, [[0, 0], [1, 2], [3, 4], [0, 0]])",
    ),
    "pad, of all axes from the last": Case(
        "pad",
        {"sides": [[3, 4], [1, 2], [5, 6]], "mode": "constant"},
        paddle="F.pad(x, [1, 2, 3, 4, 5, 6, 0, 0], pad_from_left_axis=False)",
        tensorflow="tf.pad(x, [[0, 0], [3, 4], [1, 2], [5, 6]])",
    ),
    "pad, of rows": Case(
        "pad",
        {"sides": [[1, 2]], "mode": "constant"},
        ROWS,
        paddle="F.pad(x, [0, 0, 1, 2])",
        tensorflow="tf.pad(x, [[0, 0], [1, 2]])",
    ),
    "pad, with a constant": Case(
        "pad",
        {"sides": [[1, 2], [3, 4], [0, 0]], "mode": "constant", "value": 0.5},
        paddle="nn.Pad2D([3, 4, 1, 2], value=0.5)(x)",
        tensorflow="tf.pad(x, [[0, 0], [1, 2], [3, 4], [0, 0]], constant_values=0.5)",
    ),
    "pad, by reflection": Case(
        "pad",
        {"sides": [[1, 2], [3, 4], [0, 0]], "mode": "reflect"},
        paddle="F.pad(x, [3, 4, 1, 2], mode='reflect')",
        tensorflow="tf.pad(x, [[0, 0], [1, 2], [3, 4], [0, 0]], 'REFLECT')",
    ),
    "pad, by reflection with the border": Case(
        "pad",
        {"sides": [[1, 2], [3, 4], [0, 0]], "mode": "symmetric"},
        tensorflow="keras.ops.pad(x, [[0, 0], [1, 2], [3, 4], [0, 0]], 'symmetric')",
    ),
    "pad, with the border": Case(
        "pad",
        {"sides": [[1, 2], [3, 4], [0, 0]], "mode": "replicate"},
        paddle="nn.Pad2D([3, 4, 1, 2], mode='replicate')(x)",
    ),
    "pad, in a circle": Case(
        "pad",
        {"sides": [[1, 2], [0, 0]], "mode": "circular"},
        SEQUENCES,
        paddle="nn.Pad1D([1, 2], 'circular', data_format='NLC')(x)",
    ),
    "pad, of volumes": Case(
        "pad",
        {"sides": [[1, 2], [0, 1], [3, 0], [0, 0]], "mode": "constant"},
        ((2, 2, 3, 4, 3),),
        paddle="F.pad(x, [3, 0, 0, 1, 1, 2])",
        tensorflow="layers.ZeroPadding3D([[1, 2], [0, 1], [3, 0]])(x)",
    ),
    "scale": Case(
        "scale",
        {"scale": 0.3, "offset": -1.0},
        paddle="x * 0.3 - 1",
        tensorflow="layers.Rescaling(0.3, -1.0)(x)",
        rounded={"tensorflow": {"scale": single(0.3)}},
    ),
    "scale, by channel": Case(
        "scale",
        {"scale": [1.0, 2.0, 3.0], "offset": [0.5, 0.25, -1.0]},
        tensorflow="layers.Rescaling([1.0, 2.0, 3.0], [0.5, 0.25, -1.0])(x)",
    ),
    "add, of three": Case("add", inputs=MAPS * 3, paddle="xs[0] + xs[1] + xs[2]", tensorflow="layers.Add()(xs)"),
    "multiply": Case("multiply", inputs=MAPS * 2, paddle="xs[0] * xs[1]", tensorflow="layers.Multiply()(xs)"),
    "multiply, maps by rows": Case(  # as many rows as there are columns: they must not meet those
        "multiply",
        inputs=((8, 8, 8, 3), (8, 3)),
        paddle="xs[0] * xs[1][:, :, None, None]",
        tensorflow="xs[0] * xs[1][:, None, None, :]",
    ),
    "multiply, sequences by rows": Case(
        "multiply",
        inputs=((5, 5, 3), (5, 3)),
        paddle="xs[0] * xs[1][:, None, :]",
        tensorflow="xs[0] * xs[1][:, None, :]",
    ),
    "concat": Case(
        "concat",
        inputs=((2, 8, 8, 3), (2, 8, 8, 1)),
        paddle="paddle.concat(xs, axis=1)",
        tensorflow="layers.Concatenate()(xs)",
    ),
    "identity": Case("identity", paddle="paddle.nn.Identity()(x)", tensorflow="layers.Identity()(x)"),
    "reshape": Case("reshape", paddle="x.transpose([0, 2, 3, 1]).flatten(1)", tensorflow="layers.Flatten()(x)"),
    "scale, a difference from a constant": Case(
        "scale", {"scale": -1.0, "offset": 0.75}, paddle="0.75 - x", tensorflow="0.75 - x"
    ),
    "scale, over a constant less another": Case(
        "scale", {"scale": 0.25, "offset": -1.0}, paddle="x / 4.0 - 1", tensorflow="keras.ops.subtract(x / 4.0, 1.0)"
    ),
    "scale, by a function": Case("scale", {"scale": 2.0, "offset": 3.0}, paddle="paddle.scale(x, 2.0, 3.0)"),
    "subtract": Case(
        "subtract", inputs=MAPS * 2, paddle="paddle.subtract(x, xs[1])", tensorflow="layers.Subtract()([x, xs[1]])"
    ),
    "divide": Case("divide", inputs=MAPS * 2, paddle="x / xs[1]", tensorflow="tf.divide(x, xs[1])"),
    "maximum": Case(
        "maximum", inputs=MAPS * 2, paddle="paddle.maximum(x, xs[1])", tensorflow="keras.ops.maximum(x, xs[1])"
    ),
    "minimum": Case("minimum", inputs=MAPS * 2, paddle="x.minimum(xs[1])", tensorflow="tf.minimum(x, xs[1])"),
    "average": Case(
        "average",
        inputs=MAPS * 2,
        paddle="paddle.stack([x, xs[1]]).mean(0)",
        tensorflow="layers.Average()([x, xs[1]])",
    ),
    "clip": Case(
        "clip",
        {"smallest": -1.0, "largest": 2.0},
        paddle="paddle.clip(x, -1.0, 2.0)",
        tensorflow="tf.clip_by_value(x, -1.0, 2.0)",
    ),
    "clip, from below": Case(
        "clip", {"smallest": 0.5, "largest": None}, paddle="x.clip(min=0.5)", tensorflow="tf.maximum(x, 0.5)"
    ),
    "power": Case("power", {"exponent": 3.0}, paddle="x**3", tensorflow="tf.pow(x, 3.0)"),
    "power, squares": Case("power", {"exponent": 2.0}, paddle="x.square()", tensorflow="keras.ops.square(x)"),
    "power, roots of squares": Case(
        "power", {"exponent": -0.5}, deviation=0.25, shift=2.0, paddle="paddle.rsqrt(x)", tensorflow="tf.math.rsqrt(x)"
    ),
    "power, a constant over it": Case(
        "power", {"exponent": -1.0, "factor": 3.0}, paddle="3.0 / x", tensorflow="3.0 / x"
    ),
    "math, exp": Case("math", {"function": "exp"}, paddle="paddle.exp(x)", tensorflow="tf.exp(x)"),
    "math, abs": Case("math", {"function": "abs"}, paddle="x.abs()", tensorflow="keras.ops.absolute(x)"),
    "math, log1p": Case(
        "math",
        {"function": "log1p"},
        deviation=0.25,
        shift=2.0,
        paddle="paddle.log1p(x)",
        tensorflow="tf.math.log1p(x)",
    ),
    "compare, with a constant": Case(
        "compare",
        {"relation": "greater", "constant": 0.5},
        paddle="(x > 0.5).astype('float64')",
        tensorflow="tf.cast(x > 0.5, 'float64')",
        passes_nan=False,
    ),
    "compare, of tokens": Case(
        "compare",
        {"relation": "not_equal", "constant": 0.0},
        ((4, 6),),
        tokens=3,
        paddle="(x != 0).astype('float64')",
        tensorflow="tf.cast(tf.not_equal(x, 0), 'float64')",
    ),
    "where": Case(
        "where",
        inputs=ROWS * 3,
        paddle="paddle.where(x.astype('bool'), xs[1], xs[2])",
        tensorflow="tf.where(tf.cast(x, 'bool'), xs[1], xs[2])",
        passes_nan=False,
    ),
    "where, with a constant": Case(
        "where",
        {"false": -1e9},
        ROWS * 2,
        paddle="paddle.where(x.astype('bool'), xs[1], -1e9)",
        tensorflow="keras.ops.where(tf.cast(x, 'bool'), xs[1], -1e9)",
    ),
    "cast": Case(
        "cast",
        {"to": "int"},
        paddle="x.astype('int32').astype('float64')",
        tensorflow="tf.cast(tf.cast(x, 'int32'), 'float64')",
        passes_nan=False,
    ),
    "concat, of sequences one after the other": Case(
        "concat",
        {"axis": 1},
        ((2, 6, 8), (2, 3, 8)),
        paddle="paddle.concat([x, xs[1]], axis=1)",
        tensorflow="tf.concat([x, xs[1]], 1)",
    ),
    "concat, of maps above each other": Case(
        "concat",
        {"axis": 1},
        ((2, 8, 8, 3), (2, 5, 8, 3)),
        paddle="paddle.concat([x, xs[1]], axis=2)",
        tensorflow="layers.Concatenate(1)([x, xs[1]])",
    ),
    "stack": Case(
        "stack",
        {"axis": 1},
        ROWS * 2,
        paddle="paddle.stack([x, xs[1]], axis=1)",
        tensorflow="tf.stack([x, xs[1]], 1)",
    ),
    "transpose": Case(
        "transpose",
        {"permutation": [0, 2, 1, 3]},
        paddle="x.transpose([0, 1, 3, 2])",
        tensorflow="layers.Permute([2, 1, 3])(x)",
    ),
    "tile": Case(
        "tile",
        {"repeats": [1, 2, 1, 3]},
        paddle="x.tile([1, 3, 2, 1])",
        tensorflow="tf.tile(x, [1, 2, 1, 3])",
    ),
    "slice, of a cropping": Case(
        "slice",
        {"index": [None, [1, 6, 1], [0, 5, 1], None]},
        paddle="x[:, :, 1:-2, :-3]",
        tensorflow="layers.Cropping2D([[1, 2], [0, 3]])(x)",
    ),
    "slice, of an axis backwards": Case(
        "slice",
        {"index": [None, None, [7, -9, -1], None]},
        paddle="paddle.flip(x, 3)",
        tensorflow="tf.reverse(x, [2])",
    ),
    "reduce, a sum": Case(
        "reduce",
        {"function": "sum", "axes": [1, 2]},
        paddle="x.sum([2, 3])",
        tensorflow="tf.reduce_sum(x, [1, 2])",
    ),
    "reduce, a mean over channels": Case(
        "reduce",
        {"function": "mean", "axes": [3], "kept": True},
        paddle="paddle.mean(x, 1, keepdim=True)",
        tensorflow="keras.ops.mean(x, -1, keepdims=True)",
    ),
    "reduce, the largest of sequences and channels": Case(
        "reduce",
        {"function": "max", "axes": [1, 2]},
        SEQUENCES,
        paddle="x.max([1, 2])",
        tensorflow="tf.reduce_max(x, [1, 2])",
    ),
    "reduce, a variance": Case(
        "reduce",
        {"function": "var", "axes": [2]},
        SEQUENCES,
        paddle="paddle.var(x, -1, unbiased=False)",
        tensorflow="tf.math.reduce_variance(x, -1)",
    ),
    "reduce, a deviation with n - 1": Case(
        "reduce", {"function": "std", "axes": [1], "unbiased": True}, ROWS, paddle="x.std(1)"
    ),
    "reduce, the log of a sum": Case(
        "reduce",
        {"function": "logsumexp", "axes": [1]},
        ROWS,
        paddle="paddle.logsumexp(x, 1)",
        tensorflow="tf.reduce_logsumexp(x, 1)",
    ),
    "cumulative_sum": Case(
        "cumulative_sum", {"axis": 1}, SEQUENCES, paddle="x.cumsum(1)", tensorflow="keras.ops.cumsum(x, 1)"
    ),
    "cumulative_sum, backwards without itself": Case(
        "cumulative_sum",
        {"axis": 1, "exclusive": True, "backwards": True},
        SEQUENCES,
        tensorflow="tf.cumsum(x, 1, exclusive=True, reverse=True)",
    ),
    "index, of the largest": Case(
        "index",
        {"of": "max", "axis": 1},
        ROWS,
        paddle="paddle.argmax(x, -1).astype('float64')",
        tensorflow="tf.cast(tf.argmax(x, -1), 'float64')",
        passes_nan=False,
    ),
    "one_hot": Case(
        "one_hot",
        {"depth": 10},
        ((4, 6),),
        tokens=10,
        paddle="F.one_hot(x, 10).astype('float64')",
        tensorflow="tf.one_hot(x, 10, dtype='float64')",
    ),
    "normalize": Case(
        "normalize",
        {"axes": [1], "floor": 1e-12},
        ROWS,
        paddle="F.normalize(x)",
        tensorflow="layers.UnitNormalization()(x)",
    ),
    "normalize, of small numbers": Case(
        "normalize",
        {"axes": [2], "floor": 0.125},
        SEQUENCES,
        deviation=0.01,
        paddle="F.normalize(x, axis=-1, epsilon=0.125)",
        tensorflow="tf.math.l2_normalize(x, -1, 0.015625)",
    ),
    "softmax, over another axis": Case(
        "activation",
        {"function": "softmax", "axis": 1},
        SEQUENCES,
        paddle="F.softmax(x, axis=1)",
        tensorflow="tf.nn.softmax(x, axis=1)",
    ),
    "log_softmax, over channels": Case(
        "activation",
        {"function": "log_softmax", "floor": None},
        paddle="F.log_softmax(x, axis=1)",
        tensorflow="tf.nn.log_softmax(x)",
    ),
    "resize, the nearest": Case(
        "resize",
        {"size": [16, 24], "method": "nearest", "half_pixels": True},
        paddle="nn.Upsample(scale_factor=[2, 3])(x)",
        tensorflow="layers.UpSampling2D([2, 3])(x)",
    ),
    "resize, the nearest of sequences": Case(
        "resize",
        {"size": [1, 12], "method": "nearest", "half_pixels": True},
        SEQUENCES,
        tensorflow="layers.UpSampling1D(2)(x)",
    ),
    "resize, the nearest of volumes": Case(
        "resize",
        {"size": [4, 9, 8], "method": "nearest", "half_pixels": True},
        ((2, 2, 3, 4, 3),),
        paddle="F.interpolate(x, scale_factor=[2, 3, 2])",
        tensorflow="layers.UpSampling3D([2, 3, 2])(x)",
    ),
    "resize, the nearest by half pixels": Case(
        "resize",
        {"size": [5, 12], "method": "nearest", "half_pixels": True},
        tensorflow="tf.image.resize(x, [5, 12], 'nearest')",
    ),
    "resize, the nearest, Paddle's": Case(
        "resize", {"size": [5, 12], "method": "nearest", "half_pixels": False}, paddle="F.interpolate(x, [5, 12])"
    ),
    "resize, linear": Case(
        "resize",
        {"size": [16, 32], "method": "linear", "half_pixels": True},
        paddle="F.interpolate(x, [16, 32], mode='bilinear')",
        tensorflow="layers.UpSampling2D([2, 4], interpolation='bilinear')(x)",
        float32=("tensorflow",),
    ),
    "resize, linear to a smaller size": Case(
        "resize",
        {"size": [5, 12], "method": "linear", "half_pixels": True},
        paddle="F.interpolate(x, [5, 12], mode='bilinear')",
        tensorflow="keras.ops.image.resize(x, [5, 12])",
        float32=("paddle", "tensorflow"),
    ),
    "resize, linear with antialias": Case(
        "resize",
        {"size": [3, 12], "method": "linear", "half_pixels": True, "antialias": True},
        tensorflow="tf.image.resize(x, [3, 12], antialias=True)",
        float32=("tensorflow",),
    ),
    "resize, linear with aligned corners": Case(
        "resize",
        {"size": [15, 29], "method": "linear", "half_pixels": True, "aligned_corners": True},
        paddle="nn.UpsamplingBilinear2D([15, 29])(x)",
    ),
    "resize, linear without half pixels": Case(
        "resize",
        {"size": [16, 32], "method": "linear", "half_pixels": False},
        paddle="F.interpolate(x, [16, 32], mode='bilinear', align_mode=1)",
    ),
    "resize, linear by a factor that does not come out": Case(
        "resize",
        {"size": [10, 11], "method": "linear", "half_pixels": True, "factors": [1.25, 1.375 + 2.0**-6]},
        paddle="F.interpolate(x, scale_factor=[1.25, 1.375 + 2.0**-6], mode='bilinear')",
        float32=("paddle",),
    ),
    "resize, linear of sequences": Case(
        "resize",
        {"size": [1, 12], "method": "linear", "half_pixels": True},
        SEQUENCES,
        paddle="turned(F.interpolate(turned(x), [12], mode='linear', data_format='NCW'))",
    ),
    "resize, linear of volumes": Case(
        "resize",
        {"size": [4, 6, 8], "method": "linear", "half_pixels": True},
        ((2, 2, 3, 4, 3),),
        paddle="F.interpolate(x, [4, 6, 8], mode='trilinear')",
    ),
    "resize, cubic, TensorFlow's": Case(
        "resize",
        {"size": [16, 24], "method": "cubic", "half_pixels": True, "cubic": -0.5, "outside": "left out"},
        tensorflow="tf.image.resize(x, [16, 24], 'bicubic')",
        float32=("tensorflow",),
    ),
    "resize, cubic, Paddle's": Case(
        "resize",
        {"size": [16, 32], "method": "cubic", "half_pixels": True, "cubic": -0.75, "outside": "repeated"},
        paddle="F.interpolate(x, [16, 32], mode='bicubic')",
    ),
    "resize, Lanczos": Case(
        "resize",
        {"size": [16, 5], "method": "lanczos3", "half_pixels": True},
        tensorflow="tf.image.resize(x, [16, 5], 'lanczos3')",
        float32=("tensorflow",),
    ),
    "slice": Case(
        "slice",
        {"index": [None, [0, 8, 2], [6, 1, -2], 0]},
        paddle="x[:, 0, 0:8:2, 6:1:-2]",
        tensorflow="x[:, 0:8:2, 6:1:-2, 0]",
    ),
    "slice, the last of sequences": Case(
        "slice", {"index": [None, 5, None]}, SEQUENCES, paddle="x[:, -1]", tensorflow="x[:, -1]", passes_nan=False
    ),
    "slice, backwards to the first": Case(
        "slice", {"index": [None, [5, -7, -1], None]}, SEQUENCES, paddle="x[:, ::-1]", tensorflow="x[:, ::-1]"
    ),
    "recurrent, LSTM": recurrent(
        "lstm",
        "recur(nn.LSTM(8, 3), arrays, x)[0]",
        "recur(layers.LSTM(3, return_sequences=True), arrays, x)",
    ),
    "recurrent, LSTM with both biases": recurrent(
        "lstm", "recur(nn.LSTM(8, 3), arrays, x)[0]", arrays=recurrent_arrays(4, recurrent_bias=True)
    ),
    "recurrent, LSTM, the last output": recurrent(
        "lstm", "recur(nn.LSTM(8, 3), arrays, x)[1][0][-1]", "recur(layers.LSTM(3), arrays, x)", sequences=False
    ),
    "recurrent, LSTM with other activations": recurrent(
        "lstm",
        tensorflow="recur(layers.LSTM(3, 'relu', 'hard_sigmoid', return_sequences=True), arrays, x)",
        activation="relu",
        recurrent_activation="hard_sigmoid",
        output_activation="relu",
    ),
    "recurrent, GRU, reset after the product": recurrent(
        "gru",
        "recur(nn.GRU(8, 3), arrays, x)[0]",
        "recur(layers.GRU(3, return_sequences=True), arrays, x)",
        arrays=recurrent_arrays(3, recurrent_bias=True),
    ),
    "recurrent, GRU, reset before the product": recurrent(
        "gru",
        tensorflow="recur(layers.GRU(3, reset_after=False, return_sequences=True), arrays, x)",
        reset_after=False,
    ),
    "recurrent, simple": recurrent(
        "rnn",
        "recur(nn.SimpleRNN(8, 3), arrays, x)[0]",
        "recur(layers.SimpleRNN(3, return_sequences=True), arrays, x)",
    ),
    "recurrent, simple, of ReLU": recurrent(
        "rnn",
        "recur(nn.SimpleRNN(8, 3, activation='relu'), arrays, x)[0]",
        "recur(layers.SimpleRNN(3, 'relu', return_sequences=True), arrays, x)",
        activation="relu",
    ),
    "recurrent, backward": recurrent(
        "lstm",
        tensorflow="recur(layers.LSTM(3, return_sequences=True, go_backwards=True), arrays, x)",
        direction="backward",
        realigned=False,
    ),
    "recurrent, in both directions": recurrent(
        "lstm",
        "recur(nn.LSTM(8, 3, direction='bidirect'), arrays, x)[0]",
        "recur(layers.Bidirectional(layers.LSTM(3, return_sequences=True)), arrays, x)",
        arrays=recurrent_arrays(4) | recurrent_arrays(4, prefix="backward_"),
        direction="bidirectional",
        merge="concat",
    ),
    "recurrent, in both directions, the last outputs": recurrent(
        "gru",
        "paddle.concat(list(recur(nn.GRU(8, 3, direction='bidirect'), arrays, x)[1]), -1)",
        "recur(layers.Bidirectional(layers.GRU(3)), arrays, x)",
        arrays=recurrent_arrays(3, recurrent_bias=True) | recurrent_arrays(3, prefix="backward_", recurrent_bias=True),
        direction="bidirectional",
        merge="concat",
        sequences=False,
    ),
    "recurrent, in both directions, averaged": recurrent(
        "rnn",
        tensorflow="recur(layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True), 'ave'), arrays, x)",
        arrays=recurrent_arrays(1) | recurrent_arrays(1, prefix="backward_"),
        direction="bidirectional",
        merge="ave",
    ),
    "recurrent, two layers in both directions": recurrent(
        "gru",
        "recur(nn.GRU(8, 3, 2, 'bidirect'), arrays, x)[0]",
        arrays={
            name: shape
            for layer, into in (("", 8), ("layer1_", 6))
            for direction in ("", "backward_")
            for name, shape in recurrent_arrays(3, into=into, prefix=layer + direction, recurrent_bias=True).items()
        },
        direction="bidirectional",
        merge="concat",
        layers=2,
    ),
    "recurrent, masked, repeated": recurrent(
        "lstm",
        tensorflow="recur(layers.LSTM(3, return_sequences=True), arrays, x, mask=tf.sequence_mask(xs[1], 6))",
        inputs=((3, 6, 8), (3,)),
        masked=True,
        masked_output="repeated",
    ),
    "recurrent, masked, zeros": recurrent(
        "lstm",
        "recur(nn.LSTM(8, 3), arrays, x, None, xs[1])[0]",
        "recur(layers.LSTM(3, return_sequences=True, zero_output_for_mask=True), arrays, x, "
        "mask=tf.sequence_mask(xs[1], 6))",
        inputs=((3, 6, 8), (3,)),
        masked=True,
        masked_output="zeros",
    ),
    "recurrent, masked, in both directions": recurrent(
        "gru",
        "recur(nn.GRU(8, 3, direction='bidirect'), arrays, x, None, xs[1])[0]",
        "recur(layers.Bidirectional(layers.GRU(3, return_sequences=True)), arrays, x, mask=tf.sequence_mask(xs[1], 6))",
        inputs=((3, 6, 8), (3,)),
        arrays=recurrent_arrays(3, recurrent_bias=True) | recurrent_arrays(3, prefix="backward_", recurrent_bias=True),
        direction="bidirectional",
        merge="concat",
        masked=True,
        masked_output="zeros",
    ),
    "recurrent, masked, the last output": recurrent(
        "gru",
        "recur(nn.GRU(8, 3), arrays, x, None, xs[1])[1][-1]",
        "recur(layers.GRU(3), arrays, x, mask=tf.sequence_mask(xs[1], 6))",
        inputs=((3, 6, 8), (3,)),
        arrays=recurrent_arrays(3, recurrent_bias=True),
        masked=True,
        masked_output="repeated",
        sequences=False,
    ),
    "recurrent, from given states": recurrent(
        "lstm",
        "recur(nn.LSTM(8, 3), arrays, x, (xs[1][None], xs[2][None]))[0]",
        "recur(layers.LSTM(3, return_sequences=True), arrays, x, initial_state=xs[1:])",
        inputs=((2, 6, 8), (2, 3), (2, 3)),
        initial_state=True,
    ),
}
