"""Changes that `parity compare` suggests: made, proven, in the user's terms, of either model."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.mend.proven_fix import UNPROVEN
from parity.migration.specs import input_specs, model_specs
from parity.records.migrations import Migration
from parity.workers.pool import Workers
from tests.command_line import ROOT

KERAS, PADDLE = "tests.migration.written_keras", "tests.migration.written_paddle"


@dataclass(frozen=True)
class Row:
    """Two chains of layers that differ in one thing.

    Attributes:
        tensorflow: constructors of the TensorFlow model's layers.
        paddle: those of the Paddle model's.
        shape: as for `--input`.
        in_paddle: the change of the Paddle model; empty where there is none.
        in_tensorflow: the change of the TensorFlow model; empty where there is none.
    """

    name: str
    tensorflow: tuple[str, ...]
    paddle: tuple[str, ...]
    shape: str
    in_paddle: str
    in_tensorflow: str

    def compared(self, workers: Workers, fix: str, *, training: bool = False) -> Migration:
        tokens = ", tokens=True" if "int" in self.shape else ""
        first = f"{KERAS}:chain({', '.join(map(repr, self.tensorflow))}{tokens})"
        second = f"{PADDLE}:chain({', '.join(map(repr, self.paddle))})"
        return compared(workers, first, second, self.shape, fix, training=training)


def compared(workers: Workers, first: str, second: str, shape: str, fix: str, *, training: bool = False) -> Migration:
    pair = RecordedPair(workers, model_specs(first, second, input_specs([shape])))
    return compare_pair(pair, fix=fix, impact=False, training=training)


CONV = "layers.Conv2D(4, 3, padding='same')", "nn.Conv2D(3, 4, 3, padding=1)"


def maps(name: str, tensorflow: str, paddle: str, in_paddle: str, in_tensorflow: str, shape: str = "8,8,3") -> Row:
    """One layer behind a convolution."""
    return Row(name, (CONV[0], tensorflow), (CONV[1], paddle), shape, in_paddle, in_tensorflow)


def rows(name: str, tensorflow: str, paddle: str, in_paddle: str, in_tensorflow: str, shape: str = "8") -> Row:
    """One layer behind a fully connected one, of rows or sequences."""
    return Row(name, ("layers.Dense(6)", tensorflow), ("nn.Linear(8, 6)", paddle), shape, in_paddle, in_tensorflow)


def sequences(name: str, tensorflow: str, paddle: str, in_paddle: str, in_tensorflow: str) -> Row:
    """One layer behind a fully connected one, of sequences."""
    return rows(name, tensorflow, paddle, in_paddle, in_tensorflow, "7,8")


ROWS = [
    maps(
        "batch norm",
        "layers.BatchNormalization()",
        "nn.BatchNorm2D(4)",
        "in 1: nn.BatchNorm2D(4, epsilon=0.001, momentum=0.99)",
        "in b: layers.BatchNormalization(momentum=0.9, epsilon=1e-05)",
    ),
    maps(
        "stride",
        "layers.Conv2D(5, 3, strides=2, padding='same')",
        "nn.Conv2D(4, 5, 3, padding=1)",
        "in 1: nn.Conv2D(4, 5, 3, padding=[0, 1, 0, 1], stride=2)",
        "in b: layers.Conv2D(5, 3, strides=1, padding='same')",
    ),
    maps(
        "same padding",
        "layers.Conv2D(5, 3, strides=2, padding='same')",
        "nn.Conv2D(4, 5, 3, stride=2, padding=1)",
        "in 1: nn.Conv2D(4, 5, 3, stride=2, padding=[0, 1, 0, 1])",
        "in b: layers.ZeroPadding2D(((1, 0), (1, 0))) before it, and layers.Conv2D(5, 3, strides=2, padding='valid')",
    ),
    maps(
        "valid padding",
        "layers.Conv2D(5, 3)",
        "nn.Conv2D(4, 5, 3, padding=1)",
        "in 1: nn.Conv2D(4, 5, 3, padding=0)",
        "in b: layers.Conv2D(5, 3, padding='same')",
    ),
    maps(
        "dilation",
        "layers.Conv2D(5, 3, dilation_rate=2, padding='same')",
        "nn.Conv2D(4, 5, 3, padding=1)",
        "in 1: nn.Conv2D(4, 5, 3, padding=2, dilation=2)",
        "in b: layers.Conv2D(5, 3, padding='same', dilation_rate=1)",
    ),
    maps(
        "depthwise",
        "layers.DepthwiseConv2D(3, strides=2, padding='same')",
        "nn.Conv2D(4, 4, 3, stride=2, padding=1, groups=4)",
        "in 1: nn.Conv2D(4, 4, 3, stride=2, padding=[0, 1, 0, 1], groups=4)",
        "in b: layers.ZeroPadding2D(((1, 0), (1, 0))) before it, and "
        "layers.DepthwiseConv2D(3, strides=2, padding='valid')",
    ),
    maps(
        "transposed",
        "layers.Conv2DTranspose(5, 3, strides=2, padding='same')",
        "nn.Conv2DTranspose(4, 5, 3, stride=2, padding=1, output_padding=1)",
        "in 1: nn.Conv2DTranspose(4, 5, 3, stride=2, padding=[0, 1, 0, 1], output_padding=0)",
        "in b: layers.Conv2DTranspose(5, 3, strides=2"
        ", padding='valid'), and layers.Cropping2D(((1, 0), (1, 0))) behind it",
    ),
    maps(
        "max pool padding",
        "layers.MaxPooling2D(3, 2, padding='same')",
        "nn.MaxPool2D(3, 2, padding=1)",
        "in 1: nn.MaxPool2D(3, stride=2, padding=[0, 1, 0, 1])",
        "in b: keras.ops.pad(x, [(0, 0), (1, 0), (1, 0), (0, 0)], constant_values=float('-inf')) before it, and "
        "layers.MaxPooling2D(pool_size=3, strides=2, padding='valid')",
    ),
    maps(
        "average pool counts",
        "layers.AveragePooling2D(3, 1, padding='same')",
        "nn.AvgPool2D(3, 1, padding=1, exclusive=False)",
        "in 1: nn.AvgPool2D(3, stride=1, padding=1, exclusive=True)",
        "in b: layers.ZeroPadding2D(((1, 1), (1, 1))) before it, and "
        "layers.AveragePooling2D(3, strides=1, padding='valid')",
    ),
    maps(
        "pool kind",
        "layers.MaxPooling2D(2)",
        "nn.AvgPool2D(2)",
        "in 1: nn.MaxPool2D(2, stride=2) instead of nn.AvgPool2D",
        "in b: layers.AveragePooling2D(2, strides=2, padding='valid') instead of layers.MaxPooling2D",
    ),
    maps(
        "activation of conv",
        "layers.Conv2D(5, 3, padding='same', activation='relu')",
        "nn.Sequential(nn.Conv2D(4, 5, 3, padding=1), nn.ReLU6())",
        "in 1.1: nn.ReLU() instead of nn.ReLU6",
        "in b: layers.Conv2D(5, 3, padding='same', activation='relu6')",
    ),
    maps(
        "relu layer",
        "layers.ReLU()",
        "nn.LeakyReLU()",
        "in 1: nn.ReLU() instead of nn.LeakyReLU",
        "in b: layers.LeakyReLU(negative_slope=0.01) instead of layers.ReLU",
    ),
    maps(
        "relu6",
        "layers.ReLU(6.0)",
        "nn.ReLU()",
        "in 1: nn.ReLU6() instead of nn.ReLU",
        "in b: layers.Activation('relu') instead of layers.ReLU",
    ),
    maps(
        "softmax axis",
        "layers.Softmax(axis=1)",
        "nn.Softmax(axis=1)",
        "in 1: nn.Softmax(axis=2)",
        "in b: layers.Softmax(axis=-1)",
    ),
    maps(
        "upsampling",
        "layers.UpSampling2D(2)",
        "nn.Upsample(scale_factor=2, mode='bilinear')",
        "in 1: nn.Upsample(scale_factor=2, mode='nearest')",
        "in b: layers.UpSampling2D(interpolation='bilinear')",
    ),
    maps(
        "zero padding",
        "layers.ZeroPadding2D(((0, 1), (0, 1)))",
        "nn.Pad2D([1, 0, 1, 0])",
        "in 1: nn.Pad2D([0, 1, 0, 1])",
        "in b: layers.ZeroPadding2D(padding=((1, 0), (1, 0)))",
    ),
    maps(
        "group norm",
        "layers.GroupNormalization(2)",
        "nn.GroupNorm(2, 4)",
        "in 1: nn.GroupNorm(2, 4, epsilon=0.001)",
        "in b: layers.GroupNormalization(groups=2, epsilon=1e-05)",
    ),
    maps(
        "conv bias",
        "layers.Conv2D(5, 3, use_bias=False)",
        "nn.Conv2D(4, 5, 3)",
        "in 1: nn.Conv2D(4, 5, 3, bias_attr=False)",
        "in b: layers.Conv2D(5, 3, use_bias=True)",
    ),
    rows(
        "bias missing",
        "layers.Dense(5)",
        "nn.Linear(6, 5, bias_attr=False)",
        "in 1: nn.Linear(6, 5, bias_attr=None)",
        "in b: layers.Dense(5, use_bias=False)",
    ),
    rows(
        "layer norm",
        "layers.LayerNormalization()",
        "nn.LayerNorm(6)",
        "in 1: nn.LayerNorm(6, epsilon=0.001)",
        "in b: layers.LayerNormalization(epsilon=1e-05)",
    ),
    rows(
        "gelu",
        "layers.Activation('gelu')",
        "nn.GELU(approximate=True)",
        "in 1: nn.GELU(approximate=False)",
        "in b: layers.Activation(lambda x: keras.activations.gelu(x, approximate=True))",
    ),
    rows(
        "gelu of dense",
        "layers.Dense(5, activation='gelu')",
        "nn.Sequential(nn.Linear(6, 5), nn.GELU(approximate=True))",
        "in 1.1: nn.GELU(approximate=False)",
        "in b: layers.Dense(5, activation=lambda x: keras.activations.gelu(x, approximate=True))",
    ),
    rows(
        "negative slope",
        "layers.LeakyReLU(0.3)",
        "nn.LeakyReLU(0.01)",
        "in 1: nn.LeakyReLU(negative_slope=0.3)",
        "in b: layers.LeakyReLU(negative_slope=0.01)",
    ),
    rows(
        "elu",
        "layers.ELU(0.5)",
        "nn.ELU()",
        "in 1: nn.ELU(alpha=0.5)",
        "in b: layers.ELU(alpha=1.0)",
    ),
    rows(
        "function",
        "layers.Dense(6, activation='relu')",
        "Functional()",
        "",
        "in b: layers.Dense(6, activation='gelu')",
    ),
    rows(
        "missing activation",
        "layers.Dense(6, activation='relu')",
        "nn.Linear(6, 6)",
        "",
        "in b: layers.Dense(6, activation='linear')",
    ),
    rows(
        "surplus activation",
        "layers.Dense(6)",
        "nn.Sequential(nn.Linear(6, 6), nn.ReLU())",
        "in 1.1: nn.Identity() instead of nn.ReLU",
        "",
    ),
    rows(
        "dropout mode",
        "layers.Dropout(0.3)",
        "nn.Dropout(0.3, mode='downscale_in_infer')",
        "in 1: nn.Dropout(p=0.3, mode='upscale_in_train')",
        "",
    ),
    sequences(
        "lstm activation",
        "layers.LSTM(5, recurrent_activation='hard_sigmoid', return_sequences=True)",
        "Last(nn.LSTM(6, 5))",
        "",
        "in b: layers.LSTM(5, recurrent_activation='sigmoid', return_sequences=True)",
    ),
    sequences(
        "lstm both",
        "layers.Bidirectional(layers.LSTM(5, activation='relu', return_sequences=True))",
        "Last(nn.LSTM(6, 5, direction='bidirect'))",
        "",
        "in b: layers.Bidirectional(layers.LSTM(5, activation='tanh', return_sequences=True))",
    ),
    sequences(
        "gru reset",
        "layers.GRU(5, reset_after=False, return_sequences=True)",
        "Last(nn.GRU(6, 5))",
        "",
        "in b: layers.GRU(5, return_sequences=True, reset_after=True)",
    ),
    sequences(
        "rnn activation",
        "layers.SimpleRNN(5, return_sequences=True)",
        "Last(nn.SimpleRNN(6, 5, activation='relu'))",
        "",
        "in b: layers.SimpleRNN(5, return_sequences=True, activation='relu')",
    ),
    sequences(
        "conv1d causal",
        "layers.Conv1D(5, 3, padding='causal')",
        "nn.Conv1D(6, 5, 3, padding=1, data_format='NLC')",
        "in 1: nn.Conv1D(6, 5, 3, padding=[2, 0], data_format='NLC')",
        "in b: layers.Conv1D(5, 3, padding='same')",
    ),
    sequences(
        "layer norm axes",
        "layers.LayerNormalization(axis=[1, 2], epsilon=1e-5)",
        "nn.LayerNorm(6)",
        "",
        "in b: layers.LayerNormalization(axis=-1, epsilon=1e-05)",
    ),
    maps(
        "batch norm axis",
        "layers.BatchNormalization(axis=1, momentum=0.9)",
        "nn.BatchNorm2D(4)",
        "",
        "in b: layers.BatchNormalization(axis=-1, momentum=0.9, epsilon=1e-05)",
    ),
    maps(
        "pad and conv",
        "layers.Conv2D(5, 3, strides=2, padding='same')",
        "nn.Sequential(nn.Pad2D([1, 0, 1, 0]), nn.Conv2D(4, 5, 3, stride=2))",
        "in 1.0: nn.Pad2D([0, 1, 0, 1])",
        "in b: layers.ZeroPadding2D(((1, 0), (1, 0))) before it, and layers.Conv2D(5, 3, strides=2, padding='valid')",
    ),
    maps(
        "unpadded twice",
        "keras.Sequential([layers.ZeroPadding2D(1), layers.Conv2D(5, 3, strides=2)])",
        "nn.Conv2D(4, 5, 3, stride=2, padding=[0, 1, 0, 1])",
        "in 1: nn.Conv2D(4, 5, 3, stride=2, padding=[1, 0, 1, 0])",
        "in b/zero_padding2d: layers.ZeroPadding2D(padding=((0, 1), (0, 1)))",
    ),
    rows(
        "hard sigmoid",
        "layers.Activation('sigmoid')",
        "nn.Hardsigmoid()",
        "in 1: nn.Sigmoid() instead of nn.Hardsigmoid",
        "in b: layers.Activation('hard_sigmoid')",
    ),
    rows(
        "prelu",
        "layers.Activation('softmax')",
        "nn.LogSoftmax()",
        "in 1: nn.Softmax(axis=-1) instead of nn.LogSoftmax",
        "",
    ),
    sequences(
        "layer norm over two axes",
        "layers.LayerNormalization(epsilon=1e-5)",
        "nn.LayerNorm([7, 6])",
        "in 1: nn.LayerNorm(6, epsilon=1e-05)",
        "",
    ),
]

QUICK = ("batch norm", "same padding", "bias missing", "gelu of dense")


def of_both_sides() -> list[Any]:
    return [
        pytest.param(row, fix, id=f"{row.name} {fix}", marks=() if row.name in QUICK else pytest.mark.slow)
        for row in ROWS
        for fix in ("paddle", "tensorflow")
    ]


@pytest.mark.parametrize(("row", "fix"), of_both_sides())
def test_a_change_is_made_proven_and_written_as_a_constructor(workers: Workers, row: Row, fix: str) -> None:
    migration = row.compared(workers, fix)
    change = row.in_paddle if fix == "paddle" else row.in_tensorflow
    assert migration.verdict == "different"
    assert migration.causes
    assert migration.changes == ([change] if change else [])
    assert migration.fixed_verdict == ("equal" if change else None)
    assert bool(migration.fix) == bool(change)
    assert bool(migration.by_hand) != bool(change)


@pytest.mark.parametrize(
    ("first", "second", "fix", "change"),
    [
        ("Subclassed()", "Subclassed()", "paddle", "in norm: nn.BatchNorm1D(6, epsilon=0.001, momentum=0.99)"),
        (
            "Subclassed()",
            "Subclassed()",
            "tensorflow",
            "in block/norm: layers.BatchNormalization(momentum=0.9, epsilon=1e-05)",
        ),
        ("nested()", "Nested()", "paddle", "in norm: nn.BatchNorm1D(6, epsilon=0.001, momentum=0.99)"),
        (
            "nested()",
            "Nested()",
            "tensorflow",
            "in inner/norm: layers.BatchNormalization(momentum=0.9, epsilon=1e-05)",
        ),
    ],
)
def test_layers_within_others_and_used_twice_are_changed_where_they_are(
    workers: Workers, first: str, second: str, fix: str, change: str
) -> None:
    migration = compared(workers, f"{KERAS}:{first}", f"{PADDLE}:{second}", "8", fix)
    assert migration.verdict == "different"
    assert migration.changes == [change]
    assert migration.fixed_verdict == "equal"
    assert migration.by_hand == []


@pytest.mark.parametrize("fix", ["paddle", "tensorflow"])
def test_a_padding_that_is_cropped_away_is_right_and_stays(workers: Workers, fix: str) -> None:
    row = maps(
        "crop", "layers.Conv2D(5, 3, padding='same')", "nn.Sequential(nn.Conv2D(4, 5, 3, padding=2), Cropped())", "", ""
    )
    migration = row.compared(workers, fix)
    assert migration.verdict == "equal"
    assert (migration.fix, migration.changes, migration.by_hand) == ("", [], [])
    assert migration.fixed_verdict is None


def test_what_can_be_changed_is_where_the_rest_cannot(workers: Workers) -> None:
    norm, drop = "layers.BatchNormalization(momentum=0.9)", "layers.Dropout(0.3)"
    theirs = "nn.BatchNorm2D(4)", "nn.Dropout(0.3, mode='downscale_in_infer')"
    row = Row("two", (CONV[0], norm, drop), (CONV[1], *theirs), "8,8,3", "", "")
    migration = row.compared(workers, "tensorflow")
    assert {cause.stage for cause in migration.causes} == {"b", "c"}
    assert migration.changes == ["in b: layers.BatchNormalization(momentum=0.9, epsilon=1e-05)"]
    assert migration.fixed_verdict == "different"
    (left,) = migration.by_hand
    assert "add what 2 computes, (scale; scale 0.7" in left
    assert len(row.compared(workers, "paddle").changes) == 2


def test_a_change_that_does_not_help_is_not_suggested(workers: Workers) -> None:
    """Spectral norm divides a kernel by a number that no padding makes up for."""
    hooked = "nn.utils.spectral_norm(nn.Conv2D(4, 5, 3, stride=2, padding=1))"
    row = maps("hook", "layers.Conv2D(5, 3, strides=2, padding='same')", hooked, "", "")
    migration = row.compared(workers, "tensorflow")
    assert migration.verdict == "different"
    assert (migration.fix, migration.changes, migration.fixed_verdict) == ("", [], None)
    assert any(line.endswith(UNPROVEN) for line in migration.by_hand)


def test_a_stride_in_another_layer_beside_biases_that_are_missing(workers: Workers) -> None:
    pairs = "tests.migration.pairs.images"
    targets = f"{pairs}:tensorflow_bottleneck()", f"{pairs}:paddle_bottleneck(1, 2, bias=False)"
    migration = compared(workers, *targets, "8,8,3", "paddle")
    assert migration.fixed_verdict == "equal", migration
    assert "in 0: nn.Conv2D(3, 4, 1, bias_attr=None, stride=2)" in migration.changes
    assert "in 3: nn.Conv2D(4, 4, 3, stride=1, padding=1, bias_attr=None)" in migration.changes


NORMED = "layers.Dense(6)", "layers.BatchNormalization(epsilon=1e-3, momentum=0.9)"


def test_what_differs_in_training_only_is_changed_beside_what_inference_shows(workers: Workers) -> None:
    paddle = "nn.Linear(8, 6)", "nn.BatchNorm1D(6)", "nn.Dropout(0.3)", "nn.Linear(6, 3)"
    row = Row("dropout", (*NORMED, "layers.Dense(3)"), paddle, "8", "", "")
    migration = row.compared(workers, "paddle", training=True)
    assert (migration.verdict, migration.fixed_verdict) == ("different", "equal"), migration
    assert not migration.by_hand
    assert migration.changes[0] == "in 1: nn.BatchNorm1D(6, epsilon=0.001)"
    assert "in 2" in migration.changes[1]


def test_a_dropout_that_is_missing_is_told_where_training_is_compared(workers: Workers) -> None:
    paddle = "nn.Linear(8, 6)", "nn.BatchNorm1D(6)", "nn.Linear(6, 3)"
    row = Row("no dropout", (*NORMED, "layers.Dropout(0.3)", "layers.Dense(3)"), paddle, "8", "", "")
    migration = row.compared(workers, "paddle", training=True)
    assert (migration.verdict, migration.fixed_verdict) == ("different", "different"), migration
    assert migration.changes == ["in 1: nn.BatchNorm1D(6, epsilon=0.001)"]
    assert migration.by_hand == ["c: add nn.Dropout(p=0.3) to the PaddlePaddle model behind 1"]


def test_what_training_alone_shows_is_proven_there(workers: Workers) -> None:
    row = rows("rate", "layers.Dropout(0.3)", "nn.Dropout(0.5)", "", "")
    for fix, change in (("paddle", "in 1: nn.Dropout(p=0.3)"), ("tensorflow", "in b: layers.Dropout(0.5)")):
        migration = row.compared(workers, fix)
        assert migration.verdict == "equal"
        assert migration.changes == [change]
        assert migration.fixed_verdict == "equal"


def test_a_mask_is_taken_away_by_hand(workers: Workers) -> None:
    mine = "layers.Embedding(20, 6, mask_zero=True)", "layers.LSTM(5, return_sequences=True)"
    row = Row("mask", mine, ("nn.Embedding(20, 6)", "Last(nn.LSTM(6, 5))"), "7:int:20", "", "")
    (line,) = row.compared(workers, "tensorflow").by_hand
    assert line.endswith("in a of TensorFlow write layers.Embedding(20, 6, mask_zero=False)")
    (line,) = row.compared(workers, "paddle").by_hand
    assert "sequence_length" in line


@pytest.mark.parametrize(
    ("fix", "setup"),
    [
        (
            "paddle",
            "import paddle\n"
            "from tests.migration.written_paddle import Subclassed\n"
            "model = Subclassed()\n"
            "for _, tensor in model.state_dict().items():\n"
            "    tensor.set_value(paddle.rand(tensor.shape))\n"
            "state = lambda: [(name, tensor.numpy().copy()) for name, tensor in model.state_dict().items()]\n"
            "changed = lambda: model.norm._epsilon\n",
        ),
        (
            "tensorflow",
            "import numpy as np\n"
            "from tests.migration.written_keras import Subclassed\n"
            "model = Subclassed()\n"
            "model(np.ones([2, 8]))\n"
            "model.set_weights([np.random.rand(*array.shape) for array in model.get_weights()])\n"
            "state = lambda: [(one.path, one.numpy()) for one in model.variables]\n"
            "changed = lambda: model.block.norm.epsilon\n",
        ),
    ],
)
def test_the_code_keeps_a_models_weights(workers: Workers, fix: str, setup: str) -> None:
    migration = compared(workers, f"{KERAS}:Subclassed()", f"{PADDLE}:Subclassed()", "8", fix)
    check = (
        "before, old = state(), changed()\n"
        "fix(model)\n"
        "after = state()\n"
        "assert len(before) >= 8, before\n"
        "assert [name for name, _ in before] == [name for name, _ in after], (before, after)\n"
        "assert all((one == other).all() for (_, one), (_, other) in zip(before, after)), (before, after)\n"
        "assert changed() != old\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{migration.fix}\n{setup}{check}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
