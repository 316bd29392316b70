"""One true cause of each kind of difference, and what the user is told to do about it."""

import pytest

from parity.records.migrations import Migration
from parity.workers.pool import Workers
from tests.migration.test_fixes import compared

KERAS, PADDLE = "tests.migration.differing_keras", "tests.migration.differing_paddle"


def of(workers: Workers, first: str, second: str, shape: str = "8", *, training: bool = False) -> Migration:
    return compared(workers, f"{KERAS}:{first}", f"{PADDLE}:{second}", shape, "paddle", training=training)


@pytest.mark.parametrize(
    ("tensorflow", "paddle", "words"),
    [
        ("ops.hard_sigmoid(x)", "F.hardsigmoid(x, slope=0.2)", "activation slope: TensorFlow has 0.166667, Paddle 0.2"),
        ("ops.hard_sigmoid(x)", "F.hardsigmoid(x, offset=0.4)", "activation offset: TensorFlow has 0.5, Paddle 0.4"),
        ("keras.activations.relu(x, negative_slope=0.3)", "F.leaky_relu(x)", "slope: TensorFlow has 0.3, Paddle 0.01"),
        ("keras.activations.relu(x, max_value=4.0)", "F.relu6(x)", "relu (largest 4), Paddle relu6"),
        ("ops.soft_shrink(x)", "F.softshrink(x, 0.3)", "activation threshold: TensorFlow has 0.5, Paddle 0.3"),
        ("ops.hard_shrink(x)", "F.hardshrink(x, 0.3)", "activation threshold: TensorFlow has 0.5, Paddle 0.3"),
        ("ops.threshold(x, 1.0, 0.0)", "F.thresholded_relu(x, 0.5)", "threshold: TensorFlow has 1, Paddle 0.5"),
        ("ops.selu(x)", "F.selu(x, scale=1.2)", "activation scale: TensorFlow has 1.0507, Paddle 1.2"),
        ("ops.leaky_relu(x, 0.2)", "F.rrelu(x, 0.1, 0.2, training=False)", "slope: TensorFlow has 0.2, Paddle 0.15"),
        (
            "ops.clip(x, -1, 1)",
            "F.hardtanh(x, -2.0, 1.0)",
            "(smallest -1, largest 1), Paddle hard_tanh (smallest -2",
        ),
    ],
)
def test_a_number_given_to_a_function_is_named(workers: Workers, tensorflow: str, paddle: str, words: str) -> None:
    migration = of(workers, f"function({tensorflow!r})", f"Function({paddle!r})")
    (cause,) = migration.causes
    assert words in cause.text


@pytest.mark.parametrize(
    ("tensorflow", "paddle", "words"),
    [
        ("tf.nn.silu(x, beta=1.5)", "F.swish(x)", "activation beta: TensorFlow has 1.5, Paddle 1"),
        ("ops.gelu(x)", "F.gelu(x)", "activation approximate: TensorFlow has True, Paddle False"),
        ("keras.activations.gelu(x)", "F.gelu(x, True)", "activation approximate: TensorFlow has False, Paddle True"),
        ("keras.activations.celu(x, 0.5)", "F.celu(x)", "activation alpha: TensorFlow has 0.5, Paddle 1"),
    ],
)
def test_a_number_given_in_the_code_of_a_call_is_named(
    workers: Workers, tensorflow: str, paddle: str, words: str
) -> None:
    (cause,) = of(workers, f"Called({tensorflow!r})", f"Function({paddle!r})").causes
    assert words in cause.text


@pytest.mark.parametrize(
    ("first", "second", "shape", "stage", "name"),
    [
        ("slopes()", "slopes(0.4)", "8", "slopes", "layer.table"),
        ("biased()", "biased(0.125)", "5,8", "attention", "layer.slopes"),
    ],
)
def test_a_constant_of_other_numbers_is_named(
    workers: Workers, first: str, second: str, shape: str, stage: str, name: str
) -> None:
    migration = of(workers, first, second, shape)
    (cause,) = migration.causes
    assert cause.stage == stage
    assert f"constant {name} " in cause.text
    assert "the numbers differ by" in cause.text
    (line,) = migration.by_hand
    assert f"give the constant {name} of PaddlePaddle the numbers" in line


@pytest.mark.parametrize("width", [8, 6])
def test_the_axis_of_a_weight_norm_is_named(workers: Workers, width: int) -> None:
    assert of(workers, f"weight_norm({width})", f"weight_norm({width}, 1)", str(width)).verdict == "equal"
    migration = of(workers, f"weight_norm({width})", f"weight_norm({width}, 0)", str(width))
    (cause,) = migration.causes
    assert (cause.stage, "weight norm along another axis" in cause.text) == ("norm", True)
    assert migration.by_hand == ["norm: nn.utils.weight_norm(..., dim=1)"]


@pytest.mark.parametrize(
    ("keras", "paddle", "taken", "words", "todo"),
    [
        (
            "layers.Bidirectional(layers.LSTM(4))",
            "nn.LSTM(3, 4, direction='bidirect')",
            "y[:, -1]",
            "output of the backward half: TensorFlow has that of the first step",
            "join the last states of both directions",
        ),
        (
            "layers.Bidirectional(layers.GRU(4, reset_after=False))",
            "nn.GRU(3, 4, direction='bidirect')",
            "paddle.concat([h[0], h[1]], -1)",
            "reset after: TensorFlow has False",
            "no recurrent layer of PaddlePaddle has reset after False",
        ),
        ("layers.GRU(4)", "nn.GRU(3, 4)", "y[:, 0]", "outputs of all steps", "take its last output, y[:, -1]"),
    ],
)
def test_what_is_taken_of_a_recurrent_layer_is_one_cause(
    workers: Workers, keras: str, paddle: str, taken: str, words: str, todo: str
) -> None:
    migration = of(workers, f"recurrent({keras!r})", f"Recurrent({paddle!r}, {taken!r})", "5,3")
    (cause,) = migration.causes
    assert (cause.stage, words in cause.text) == ("memory", True)
    (line,) = migration.by_hand
    assert todo in line


@pytest.mark.parametrize("cut", [False, True])
def test_numbers_that_close_a_gap_together_say_so(workers: Workers, cut: bool) -> None:
    assert of(workers, "causal()", f"Padded(2, cut={cut})", "9,3").remarks == []
    migration = of(workers, "causal()", f"Padded(1, cut={cut})", "9,3")
    padding, dilation = migration.causes
    assert "and with TensorFlow's conv dilation beside it, the gap falls" in padding.text
    assert "and with TensorFlow's conv padding beside it, the gap falls" in dilation.text
    assert "at the start" in padding.advice
    assert migration.changes == []
    assert [line.partition(" of PaddlePaddle ")[0] for line in migration.by_hand] == [
        "conv: let the code around conv",
        "conv: give conv",
    ]


def test_aligned_corners_are_one_cause(workers: Workers) -> None:
    written = "tests.migration.written_keras:chain", "tests.migration.written_paddle:chain"
    first = f"{written[0]}('layers.UpSampling2D(2, interpolation=\"bilinear\")')"
    second = f"{written[1]}('nn.Upsample(scale_factor=2, mode=\"bilinear\", align_corners=True)')"
    migration = compared(workers, first, second, "5,6,3", "paddle")
    (cause,) = migration.causes
    assert "resize aligned corners: TensorFlow has False, Paddle True" in cause.text
    assert migration.fixed_verdict == "equal"


def test_a_reshape_for_a_transpose_is_placed_where_it_is(workers: Workers) -> None:
    (cause,) = of(workers, "joined()", "Joined()", "6,8").causes
    assert cause.stage in ("turn", "back")
    assert "transpose or reshape" in cause.text


def test_code_that_is_written_otherwise_and_equal_has_no_remark(workers: Workers) -> None:
    migration = of(workers, "words()", "Words()", "6:int:20")
    assert migration.verdict == "equal"
    assert [line for line in migration.remarks if "do not show it" in line] == []


@pytest.mark.parametrize(
    ("tensorflow", "paddle", "advice"),
    [
        ("ops.leaky_relu(x, 0.2)", "F.leaky_relu(x)", "write the slope out in both: keras.layers.LeakyReLU has 0.3"),
        ("ops.elu(x, 0.5)", "F.elu(x)", "write the alpha out in both"),
        ("ops.tanh(x)", "F.sigmoid(x)", "the same function in both"),
        ("x", "F.elu(x)", "the elu in both models, or in neither"),
    ],
)
def test_advice_is_about_the_function_that_differs(workers: Workers, tensorflow: str, paddle: str, advice: str) -> None:
    (cause,) = of(workers, f"function({tensorflow!r})", f"Function({paddle!r})").causes
    assert cause.advice.startswith(advice)


def test_a_momentum_that_training_shows_is_a_cause_in_each_layer_with_its_change(workers: Workers) -> None:
    first, second = "tests.migration.keras_models:tower(2, momentum=0.99)", "tests.migration.paddle_models:tower(2)"
    migration = compared(workers, first, second, "8", "paddle", training=True)
    assert migration.verdict == "different"
    assert len({cause.stage for cause in migration.causes}) == 2
    assert {cause.change for cause in migration.causes} == {"batch norm momentum: TensorFlow has 0.99, Paddle 0.9"}
    assert (migration.training, migration.by_hand) == ([], [])
    assert migration.changes == ["in 1, 4: nn.BatchNorm1D(16, momentum=0.99)"]
    assert migration.fixed_verdict == "equal"


def test_a_function_that_is_left_out_is_named_for_what_it_is(workers: Workers) -> None:
    (cause,) = of(workers, "function('ops.tanh(x)')", "Function('x')").causes
    assert (cause.trap, cause.advice) == ("act-missing", "the tanh in both models, or in neither")


def test_a_number_that_changes_nothing_is_no_cause(workers: Workers) -> None:
    """Paddle's softplus is the identity above 20, where Keras's differs from that by less than rounding does."""
    (cause,) = of(workers, "function('ops.softplus(x)')", "Function('F.softplus(x) * 2.0')").causes
    assert "threshold" not in cause.text
    assert "scale 2.0" in cause.text
