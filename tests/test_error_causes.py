"""The line that names the cause, in real errors of both frameworks, raised in their workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from parity.catalogue.user_models import InputSpec, ModelSpec
from parity.error_causes import LONGEST, cause
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from tests.conftest import FaultyWorker, MakePython

KERAS = """
def fail(how):
    import sys

    import keras, numpy as np, tensorflow as tf
    from keras import layers

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = layers.Dense(3)
            self.hidden.build((None, 10))

        def call(self, x):
            return self.hidden(x) if how != "product" else tf.matmul(x, tf.zeros((9, 3)))

    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = Model()

        def call(self, x):
            return self.inner(x)

    class Picks(keras.Model):
        def call(self, x):
            return tf.gather(tf.zeros((4, 2)), tf.cast(x, "int32"))

    x = np.full((2, 7), 9.0, "float32")
    if how == "shape":
        Model()(x)
    if how == "product":
        Outer()(x)
    if how == "graph":
        Picks().predict(x, verbose=0)
    if how == "traced":
        tf.function(lambda y: tf.reshape(y, [3, 4]))(x)
    if how == "memory":
        tf.ones((1 << 24, 1 << 24)) + 1
    if how == "weights":
        first, second = (keras.Sequential([keras.Input((n,)), layers.Dense(3)]) for n in (4, 5))
        first.save_weights("x.weights.h5")
        second.load_weights("x.weights.h5")
    if how == "class":
        class Own(layers.Layer):
            def call(self, x):
                return x
        keras.Sequential([keras.Input((4,)), Own()]).save("own.keras")
        keras.models.load_model("own.keras")
    if how == "silent":
        sys.path.append(".")
        from own_NAME import Silent
        Silent()(x)
    if how == "import":
        import no_such_module.part

VERBS["fail"] = fail
"""

PADDLE = """
def fail(how):
    import sys

    import paddle
    from paddle import nn

    x = paddle.zeros([2, 7])
    if how == "shape":
        nn.Linear(10, 3)(x)
    if how == "channels":
        nn.Conv2D(3, 4, 3)(paddle.zeros([2, 5, 8, 8]))
    if how == "static":
        paddle.jit.to_static(nn.Linear(10, 3))(x)
    if how == "index":
        nn.Embedding(4, 2)(paddle.to_tensor([9]))
    if how == "memory":
        paddle.ones([1 << 24, 1 << 24])
    if how == "silent":
        sys.path.append(".")
        from own_NAME import Silent
        Silent()(x)
    if how == "import":
        import no_such_module.part

VERBS["fail"] = fail
"""

# files of the user's own, of which a line can be shown
OWN_KERAS = """
import keras

class Silent(keras.Model):
    def call(self, x):
        assert x.shape == (1,)
"""

OWN_PADDLE = """
from paddle import nn

class Silent(nn.Layer):
    def forward(self, x):
        assert x.shape == [1]
"""

SOURCES = {"tensorflow": KERAS, "paddle": PADDLE}


@pytest.fixture(scope="module")
def failing(altered_python: MakePython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, FaultyWorker]]:
    """Both workers with a verb that makes their framework raise, in a directory of their own."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "own_tensorflow.py").write_text(OWN_KERAS)
    (folder / "own_paddle.py").write_text(OWN_PADDLE)
    both: dict[str, FaultyWorker] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, framework in FRAMEWORKS.items():
            source = SOURCES[name].replace("own_NAME", f"own_{name}")
            both[name] = FaultyWorker(name, altered_python({f"{framework.package}.verbs": source}), 1)
            both[name].settings()  # starts it here, and with its Python alone: others start as they would
    yield both
    for worker in both.values():
        worker.stop()


@pytest.mark.parametrize(
    ("framework", "how", "message"),
    [
        (
            "tensorflow",
            "shape",
            "expected axis -1 of input shape to have value 10, but received input with shape (2, 7)",
        ),
        ("tensorflow", "product", "Matrix size-incompatible: In[0]: [2,7], In[1]: [9,3]"),
        ("tensorflow", "graph", "InvalidArgumentError: indices[0,0] = 9 is not in [0, 4)"),
        ("tensorflow", "traced", "Cannot reshape a tensor with 14 elements to shape [3,4]"),
        pytest.param(  # TensorFlow waits for memory for ten seconds
            "tensorflow",
            "memory",
            "ResourceExhaustedError: OOM when allocating tensor with shape[16777216,16777216]",
            marks=pytest.mark.slow,
        ),
        ("tensorflow", "weights", "variable.shape=(5, 3), Received: value.shape=(4, 3)"),
        ("tensorflow", "class", "Could not locate class 'Own'"),
        ("tensorflow", "silent", "raised by line 6 of own_tensorflow.py: assert x.shape == (1,)"),
        ("tensorflow", "import", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("paddle", "shape", "dimension of Input(X) is [7], and the [0] dimension of Input(Y) is [10]"),
        ("paddle", "shape", "[Hint: Expected K_lhs == K_rhs, but received K_lhs:7 != K_rhs:10.]"),
        ("paddle", "channels", "the input's channels is 5"),
        ("paddle", "static", "[Hint: Expected K_lhs == K_rhs, but received K_lhs:7 != K_rhs:10.]"),
        ("paddle", "index", "expected >= 0 and < 4, but got 9"),
        ("paddle", "memory", "Fail to alloc memory of 1125899906842624 size"),
        ("paddle", "silent", "raised by line 6 of own_paddle.py: assert x.shape == [1]"),
        ("paddle", "import", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_the_first_line_of_a_real_error_names_its_cause(
    failing: Mapping[str, FaultyWorker], framework: str, how: str, message: str
) -> None:
    with pytest.raises(WorkerError) as caught:
        failing[framework].call("fail", network="net", how=how)
    first, *frames = str(caught.value).splitlines()
    assert message in first
    assert first.startswith(f"{FRAMEWORKS[framework].title}, network net, step 'fail': ")
    assert len(first) < LONGEST + 100
    assert not set(first) & set("\x1b\n")
    for noise in ("{{function_node", "[[", "Arguments received", "--------", "_kernel.cc", "binary.cc"):
        assert noise not in first
    assert 1 <= len(frames) <= 6
    assert all(line.startswith(6 * " ") for line in frames)


SUMMARY = """

--------------------------------------
C++ Traceback (most recent call last):
--------------------------------------
0   paddle::imperative::Tracer::TraceOp(std::string const&)
1   phi::enforce::GetCurrentTraceBackString[abi:cxx11](bool)

----------------------
Error Message Summary:
----------------------
InvalidArgumentError: The shape of input[0] and input[1] is expected to be equal.
  [Hint: Expected x == y, but received x:3 != y:5.] (at ../paddle/phi/kernels/funcs/concat_funcs.h:55)
  [operator < concat > error]
"""

ROOTS = """Graph execution error:

2 root error(s) found.
  (0) INVALID_ARGUMENT:  indices[0] = 9 is not in [0, 4)
\t [[{{node GatherV2}}]]
\t [[GatherV2/_5]]
  (1) INVALID_ARGUMENT:  indices[0] = 9 is not in [0, 4)
\t [[{{node GatherV2}}]]
0 successful operations.
0 derived errors ignored. [Op:__inference_f_12]"""


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ValueError(SUMMARY),
            "ValueError: InvalidArgumentError: The shape of input[0] and input[1] is expected to be equal. "
            "[Hint: Expected x == y, but received x:3 != y:5.] [in operator concat]",
        ),
        (ValueError(ROOTS), "ValueError: INVALID_ARGUMENT: indices[0] = 9 is not in [0, 4)"),
        (ValueError("first\nsecond says why"), "ValueError: first second says why"),
        (KeyError("a"), "KeyError: 'a'"),
        (ValueError(), "ValueError, without a message"),
        (ValueError("\x1b[2J\a\ud800"), "ValueError: \\x1b[2J\\x07\\ud800"),
        (UnreadableError(), "UnreadableError: its message cannot be read (RuntimeError)"),
    ],
)
def test_forms_of_messages(error: Exception, expected: str) -> None:
    assert cause(error) == expected


@pytest.mark.parametrize(
    ("outer", "expected"),
    [
        ("a layer failed", "RuntimeError: a layer failed, because of KeyError: 'the cause'"),
        ("a layer failed: 'the cause'", "RuntimeError: a layer failed: 'the cause'"),
    ],
)
def test_what_an_error_was_raised_from_is_said_once(outer: str, expected: str) -> None:
    error = RuntimeError(outer)
    error.__cause__ = KeyError("the cause")
    assert cause(error) == expected


def test_errors_that_were_raised_from_each_other_end() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert cause(one).startswith("ValueError: one, because of ValueError: other, because of ValueError: one")


def test_a_message_without_an_end_keeps_its_beginning_and_its_end() -> None:
    text = cause(ValueError("begins " + "x y " * 100_000 + "ends"))
    assert len(text) < LONGEST + 100
    assert text.startswith("ValueError: begins")
    assert text.endswith("ends")


def test_a_lambda_is_refused_with_the_reason_and_what_to_do(workers: Workers, tmp_path: Path) -> None:
    """As a target and as a file of weights; the function in it does not run."""
    make = (
        "import keras\n"
        "x = keras.Input((4,))\n"
        "trace = lambda t: [open('ran', 'w').close(), t][1]\n"
        "keras.Model(x, keras.layers.Lambda(trace)(x)).save('lambda.keras')\n"
    )
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "ran").unlink()
    path = str(tmp_path / "lambda.keras")
    for spec, advice in (
        (ModelSpec(path, [InputSpec([4])]), ("safe_mode=False", "put a layer of Keras in the place of the Lambda")),
        (
            ModelSpec("tests.migration.keras_models:signals()", [InputSpec([20, 6])], weights=path),
            ("Give its weights alone: model.save_weights",),
        ),
    ):
        with pytest.raises(WorkerError) as caught:
            workers["tensorflow"].open_model("pair", spec)
        for part in ("lambda.keras holds Python code (a Lambda layer)", "safe mode", *advice):
            assert part in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()
