"""`parity repro`: scripts that run anywhere, give what the framework gave, and show the gap."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from parity.cli import migrate
from parity.cli.main import app
from parity.kinds import ACTIVATIONS, KINDS, compute
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.reproduction.repro import write_repro
from parity.migration.reproduction.repro_scripts import DifferingLayer, own_layout
from parity.migration.specs import FIRST, SECOND
from parity.workers.pool import Workers

KERAS_NETS = """
import keras, tensorflow as tf
from keras import layers

class Odd(layers.Layer):
    def call(self, x):
        return tf.sinh(x)

def net(odd=False):
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="conv")(image)
    x = layers.BatchNormalization(epsilon=1e-3, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="rows")(x)
    x = Odd(name="odd")(x) if odd else x
    return keras.Model(image, layers.Dense(10, name="fc")(x))

def pooled():
    image = keras.Input((16, 16, 3))
    x = layers.MaxPooling2D(4, strides=4, name="pool")(layers.Conv2D(3, 1, name="conv")(image))
    return keras.Model(image, layers.Dense(2, name="fc")(layers.GlobalAveragePooling2D(name="mean")(x)))
"""

PADDLE_NETS = """
from paddle import nn

class Odd(nn.Layer):
    def forward(self, x):
        return x.cosh()

class Net(nn.Layer):
    def __init__(self, epsilon=1e-3, padding="SAME", relu=True, odd=False):
        super().__init__()
        self.conv = nn.Conv2D(3, 6, 3, stride=2, padding=padding)
        self.bn = nn.BatchNorm2D(6, epsilon=epsilon)
        self.relu = nn.ReLU() if relu else nn.Identity()
        self.pool = nn.MaxPool2D(2)
        self.odd = Odd() if odd else nn.Identity()
        self.fc = nn.Linear(96, 10)

    def forward(self, x):
        return self.fc(self.odd(self.pool(self.relu(self.bn(self.conv(x)))).flatten(1)))

def pooled():
    pool = nn.MaxPool2D(4, stride=4, padding=1, ceil_mode=True)
    return nn.Sequential(nn.Conv2D(3, 3, 1), pool, nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(3, 2))
"""

# Runs scripts, each as its own program, and says what they print and how far they are from what was recorded.
DRIVER = """
import contextlib, io, json, runpy, sys
import numpy as np

outcomes = {}
for path in sys.argv[2:]:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        names = runpy.run_path(path, run_name="__main__")
    expected = names["recorded"][sys.argv[1] + "_output"]
    outcomes[path] = [float(np.abs(names["output"] - expected).max() / np.abs(expected).max()), printed.getvalue()]
assert not {"parity", "tf_impl", "paddle_impl"} & set(sys.modules)
print(json.dumps(outcomes))
"""

SCRIPTS = {FIRST: "repro_tensorflow.py", SECOND: "repro_paddle.py"}

Repro = Callable[..., Result]


def ran(framework: str, folders: Sequence[Path], away: Path) -> list[tuple[float, str]]:
    """What the scripts of one framework say: far from their folders, isolated, and unaware of this project."""
    scripts = [str(folder / SCRIPTS[framework]) for folder in folders]
    for script in scripts:
        for node in ast.walk(ast.parse(Path(script).read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                module = {"tensorflow": "tensorflow", "paddle": "paddle"}[framework]
                assert {name.partition(".")[0] for name in names} <= {"pathlib", "numpy", module}
    process = subprocess.run(
        [sys.executable, "-I", "-c", DRIVER, framework, *scripts], cwd=away, capture_output=True, text=True, env={}
    )
    assert process.returncode == 0, process.stderr[-3000:]
    outcomes = json.loads(process.stdout.splitlines()[-1])
    return [(outcomes[script][0], outcomes[script][1]) for script in scripts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models as modules."""
    made = tmp_path_factory.mktemp("repro")
    (made / "keras_nets.py").write_text(KERAS_NETS)
    (made / "paddle_nets.py").write_text(PADDLE_NETS)
    return made


@pytest.fixture(scope="module")
def both(folder: Path) -> Iterator[Workers]:
    """Workers that can import the modules."""
    with pytest.MonkeyPatch.context() as patch, Workers(threads=1) as workers:
        patch.chdir(folder)
        workers.map(lambda worker: worker.settings())
        yield workers


@pytest.fixture
def repro(both: Workers, monkeypatch: pytest.MonkeyPatch) -> Repro:
    """The command, with an exit code that is required."""
    monkeypatch.setattr(migrate, "_workers", lambda threads: contextlib.nullcontext(both))

    def run(second: str, output: Path, *more: str, first: str = "net()", code: int = 0) -> Result:
        shape = ("--input", "16,16,3", "--dataset", "generated", "-o", str(output))
        done = CliRunner().invoke(app, ["repro", f"keras_nets:{first}", f"paddle_nets:{second}", *shape, *more])
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        assert not list(output.parent.glob(".*part*"))
        return done

    return run


def test_the_scripts_show_the_gap_without_the_project(
    repro: Repro, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, pooled, named = tmp_path / "first", tmp_path / "pooled", tmp_path / "sub" / "named"
    done = repro("Net(epsilon=1e-5, padding=1)", first)
    assert "conv padding: TensorFlow has 0 above, 1 below, 0 left, 1 right" in done.output
    done = repro("pooled()", pooled, first="pooled()")
    assert "TensorFlow makes (4, 4, 3) of the same input, Paddle (5, 5, 3)" in done.output
    monkeypatch.setattr("parity.migration.reproduction.repro.SINGLE_IMAGE_ABOVE", 0)
    repro("Net(epsilon=1e-5, padding=1)", named, "--layer", "bn")
    for framework, other in ((FIRST, SECOND), (SECOND, FIRST)):
        for folder, (own, printed) in zip(
            (first, named, pooled), ran(framework, (first, named, pooled), tmp_path), strict=True
        ):
            assert own < 1e-12
            with np.load(folder / "repro.npz") as recorded:
                made, expected = recorded[f"{framework}_output"], recorded[f"{other}_output"]
            if folder == pooled:
                assert f"shape {made.shape} here, {expected.shape} there" in printed
                continue
            gap = np.abs(made - expected).max() / np.abs(expected).max()
            assert gap > 1e-5
            assert re.search(rf"difference from the output of \w+: {re.escape(f'{gap:.3e}')}", printed)
            assert f"{gap:.3e}" in (folder / "README.md").read_text()

    assert sorted(path.name for path in first.iterdir()) == ["README.md", "repro.npz", *sorted(SCRIPTS.values())]
    with np.load(first / "repro.npz") as recorded:
        assert recorded["input_0"].shape == (4, 16, 16, 3)
        assert recorded["tensorflow_kernel"].shape == (3, 3, 3, 6)
        assert recorded["paddle_kernel"].shape == (6, 3, 3, 3)
    with np.load(named / "repro.npz") as recorded:
        assert recorded["input_0"].shape == (1, 8, 8, 6)  # what is big is cut to one image


@pytest.mark.slow
def test_nothing_is_written_where_no_layer_differs_by_itself(repro: Repro, tmp_path: Path) -> None:
    done = repro("Net()", tmp_path / "out", code=1)
    assert "nothing to reproduce: no layer differs by itself" in done.output
    done = repro("Net(relu=False)", tmp_path / "out", code=1)
    assert "exists in TensorFlow only" in done.output
    done = repro("Net(epsilon=1e-5)", tmp_path / "out", "--layer", "conv", code=1)
    assert "layer 'conv' does not differ by itself; those that do: norm" in done.output
    done = repro("Net()", tmp_path / "out", "--layer", "nrom", code=2)
    assert "--layer nrom: no matched layer of that name; there are conv, norm" in done.output
    done = repro("Net(odd=True)", tmp_path / "out", first="net(odd=True)", code=2)
    assert "the models differ, but in nothing that can be written as a script" in done.output
    assert "odd: TensorFlow computes odd; PaddlePaddle computes odd, which differ by" in done.output
    done = repro("Net(odd=True)", tmp_path / "out", "--layer", "odd", first="net(odd=True)", code=2)
    assert "--layer odd: no matched layer of that name; there are conv, norm" in done.output
    assert not (tmp_path / "out").exists()


def test_a_directory_with_files_in_it_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    arguments = ["repro", "keras_nets:net()", "paddle_nets:Net()", "--input", "16,16,3", "-o"]
    for output in (tmp_path, tmp_path / "mine"):
        done = CliRunner().invoke(app, [*arguments, str(output)])
        assert done.exit_code == 2
        assert "expected a new or empty directory" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


PADS = [[0, 1], [1, 2]]

SQUARE: dict[str, Any] = {"stride": [2, 2], "dilation": [1, 1], "padding": PADS}

ROW: dict[str, Any] = {"stride": [1, 2], "dilation": [1, 1], "padding": [[0, 0], [1, 0]]}

UP: dict[str, Any] = {"stride": [2, 1], "dilation": [1, 1], "crop": [[0, 1], [1, 0]]}

ATTENTION: dict[str, tuple[int, ...]] = {"query": (8, 12), "key": (6, 12), "value": (6, 4), "out": (4, 8)}

ATTENTION |= {"query_bias": (12,), "key_bias": (12,), "value_bias": (4,), "out_bias": (8,)}

ROW_POOL: dict[str, Any] = {"window": [1, 3], "stride": [1, 2], "padding": [[0, 0], [1, 0]]}

POOL: dict[str, Any] = {"window": [3, 2], "stride": [2, 1], "padding": [[0, 1], [1, 0]]}

EPSILON = float(np.float32(1e-3))  # Paddle's constants are float32 numbers

NORM = ("gamma", "beta", "mean", "variance")

# constants of functions that a framework takes in float32
ROUNDED: dict[tuple[str, str], dict[str, float]] = {
    (FIRST, "gelu"): {"factor": float(np.float32(0.5**0.5)), "cubic": float(np.float32(0.044715))},
    (SECOND, "selu"): {
        "scale": float(np.float32(1.0507009873554805)),
        "alpha": float(np.float32(1.6732632423543772)),
    },
}

MAPS, SEQUENCES, ROWS = (2, 7, 6, 4), (2, 7, 4), (2, 5)

# kind, numbers, shapes of the inputs, of the arrays
CASES: list[tuple[str, dict[str, Any], list[tuple[int, ...]], dict[str, tuple[int, ...]]]] = [
    ("conv", SQUARE | {"groups": 1}, [MAPS], {"kernel": (3, 2, 4, 6), "bias": (6,)}),
    ("conv", SQUARE | {"groups": 2}, [MAPS], {"kernel": (3, 3, 2, 6)}),
    ("conv", SQUARE | {"groups": 4}, [MAPS], {"kernel": (3, 3, 1, 8), "bias": (8,)}),
    ("conv", SQUARE | {"groups": 4, "stride": [1, 2]}, [MAPS], {"kernel": (3, 3, 1, 8)}),
    ("conv", SQUARE | {"groups": 1, "stride": [1, 1], "dilation": [2, 1]}, [MAPS], {"kernel": (3, 3, 4, 6)}),
    ("conv", SQUARE | {"groups": 1, "padding": [[0, 0], [0, 0]]}, [ROWS], {"kernel": (1, 1, 5, 3), "bias": (3,)}),
    ("conv", ROW | {"groups": 2}, [SEQUENCES], {"kernel": (1, 3, 2, 6), "bias": (6,)}),
    ("max_pool", ROW_POOL, [SEQUENCES], {}),
    ("average_pool", ROW_POOL | {"count_padding": False}, [SEQUENCES], {}),
    ("global_average_pool", {}, [SEQUENCES], {}),
    ("zero_pad", {"padding": [[0, 0], [1, 2]]}, [SEQUENCES], {}),
    ("batch_norm", {"epsilon": EPSILON, "momentum": 0.9}, [SEQUENCES], dict.fromkeys(NORM, (4,))),
    ("group_norm", {"epsilon": EPSILON, "groups": 2}, [SEQUENCES], {}),
    ("prelu", {}, [SEQUENCES], {"slope": (4,)}),
    ("dense", {}, [ROWS], {"kernel": (5, 3), "bias": (3,)}),
    ("dense", {}, [(2, 4, 5)], {"kernel": (5, 3)}),
    ("batch_norm", {"epsilon": EPSILON, "momentum": 0.9}, [MAPS], dict.fromkeys(NORM, (4,))),
    ("batch_norm", {"epsilon": EPSILON, "momentum": 0.9}, [ROWS], dict.fromkeys(NORM[2:], (5,))),
    ("layer_norm", {"epsilon": EPSILON}, [(2, 4, 5)], dict.fromkeys(NORM[:2], (5,))),
    ("layer_norm", {"epsilon": EPSILON}, [MAPS], {"beta": (4,)}),
    ("conv_transpose", UP | {"groups": 1}, [MAPS], {"kernel": (3, 2, 6, 4), "bias": (6,)}),
    ("group_norm", {"epsilon": EPSILON, "groups": 2}, [MAPS], dict.fromkeys(NORM[:2], (4,))),
    ("group_norm", {"epsilon": EPSILON, "groups": 1}, [ROWS], {"gamma": (5,)}),
    ("prelu", {}, [MAPS], {"slope": (4,)}),
    ("prelu", {}, [ROWS], {"slope": (1,)}),
    ("attention", {"heads": 2, "rate": 0.0}, [(2, 5, 8), (2, 7, 6), (2, 7, 6)], ATTENTION),
    ("attention", {"heads": 3, "rate": 0.0}, [(2, 5, 6)] * 3, dict.fromkeys(("query", "key", "value", "out"), (6, 6))),
    ("embedding", {}, [(2, 7)], {"kernel": (11, 3)}),
    ("embedding", {"padding_index": 3}, [(2, 7)], {"kernel": (11, 3)}),
    ("max_pool", POOL, [MAPS], {}),
    ("average_pool", POOL | {"count_padding": False}, [MAPS], {}),
    ("average_pool", POOL | {"count_padding": True}, [MAPS], {}),
    ("global_max_pool", {}, [MAPS], {}),
    ("global_average_pool", {}, [MAPS], {}),
    ("dropout", {"rate": 0.5}, [ROWS], {}),
    ("identity", {}, [MAPS], {}),
    ("zero_pad", {"padding": PADS}, [MAPS], {}),
    ("scale", {"scale": 0.5, "offset": [1.0, 2.0, 3.0, 4.0]}, [MAPS], {}),
    ("add", {}, [MAPS, MAPS, MAPS], {}),
    ("add", {}, [ROWS, ROWS], {}),
    ("multiply", {}, [MAPS, (2, 4)], {}),
    ("concat", {}, [MAPS, (2, 7, 6, 3)], {}),
    ("concat", {}, [ROWS, ROWS], {}),
    ("reshape", {}, [MAPS], {}),
    ("slice", {"index": [None, 6, [1, 6, 2], None]}, [MAPS], {}),
    ("slice", {"index": [None, 6, None]}, [SEQUENCES], {}),
    ("stack", {"axis": 1}, [ROWS, ROWS], {}),
    ("transpose", {"permutation": [0, 2, 3, 1]}, [MAPS], {}),
    ("tile", {"repeats": [1, 2, 1]}, [SEQUENCES], {}),
    ("concat", {"axis": 1}, [MAPS, (2, 3, 6, 4)], {}),
    ("subtract", {}, [MAPS, MAPS], {}),
    ("divide", {}, [ROWS, ROWS], {}),
    ("maximum", {}, [ROWS, ROWS], {}),
    ("minimum", {}, [ROWS, ROWS], {}),
    ("average", {}, [ROWS, ROWS, ROWS], {}),
    ("clip", {"smallest": -0.5, "largest": None}, [MAPS], {}),
    ("power", {"exponent": 2.0, "factor": 0.5}, [MAPS], {}),
    ("math", {"function": "exp"}, [MAPS], {}),
    ("compare", {"relation": "greater", "constant": 0.5}, [ROWS], {}),
    ("compare", {"relation": "less"}, [ROWS, ROWS], {}),
    ("where", {"true": 0.5}, [ROWS, ROWS], {}),
    ("where", {}, [ROWS, ROWS, ROWS], {}),
    ("cast", {"to": "int"}, [ROWS], {}),
    ("reduce", {"function": "sum", "axes": [1, 2]}, [MAPS], {}),
    ("reduce", {"function": "std", "axes": [1], "kept": True}, [SEQUENCES], {}),
    ("reduce", {"function": "logsumexp", "axes": [1]}, [ROWS], {}),
    ("cumulative_sum", {"axis": 1}, [SEQUENCES], {}),
    ("index", {"of": "max", "axis": 1}, [ROWS], {}),
    ("one_hot", {"depth": 11}, [(2, 7)], {}),
    ("normalize", {"axes": [1], "floor": 1e-6}, [ROWS], {}),
    ("activation", {"function": "softmax", "axis": 1}, [SEQUENCES], {}),
    ("pad", {"sides": [[1, 2], [0, 3], [0, 0]], "mode": "reflect"}, [MAPS], {}),
    ("pad", {"sides": [[1, 2], [0, 3], [0, 0]], "mode": "constant", "value": 0.5}, [MAPS], {}),
    ("resize", {"size": [14, 18], "method": "nearest", "half_pixels": True}, [MAPS], {}),
    ("activation", {"function": "relu", "largest": 1.0, "slope": 0.25, "threshold": 0.5}, [MAPS], {}),
    ("activation", {"function": "relu", "largest": None, "slope": 0.0, "threshold": 0.5}, [MAPS], {}),
    ("activation", {"function": "leaky_relu", "slope": 0.25}, [MAPS], {}),
    ("activation", {"function": "elu", "alpha": 0.5}, [ROWS], {}),
    ("activation", {"function": "hard_sigmoid", "slope": 0.25, "offset": 0.5}, [ROWS], {}),
    ("activation", {"function": "celu", "alpha": 0.5}, [ROWS], {}),
    ("activation", {"function": "soft_shrink", "threshold": 0.5}, [ROWS], {}),
    ("activation", {"function": "hard_shrink", "threshold": 0.5}, [ROWS], {}),
    ("activation", {"function": "thresholded_relu", "threshold": 0.5, "below": 0.0}, [ROWS], {}),
    ("activation", {"function": "softplus", "beta": 2.0, "threshold": None}, [ROWS], {}),
    ("activation", {"function": "hard_tanh", "smallest": -0.5, "largest": 1.5}, [MAPS], {}),
    ("activation", {"function": "log_softmax", "floor": None}, [MAPS], {}),
    ("activation", {"function": "softmax"}, [MAPS], {}),
    ("activation", {"function": "softmax"}, [ROWS], {}),
    ("activation", {"function": "gelu", "approximate": False}, [MAPS], {}),
    ("activation", {"function": "gelu", "approximate": True}, [MAPS], {}),
]

PLAIN = ("relu", "relu6", "sigmoid", "tanh", "silu", "hard_swish", "linear", "mish", "softsign", "log_sigmoid", "selu")

CASES += [("activation", {"function": function}, [MAPS], {}) for function in PLAIN]


WHOLE = ("embedding", "one_hot")  # kinds that take whole numbers

UNWRITTEN = {"adaptive_pool", "recurrent"}  # which would take more lines than a report of one layer should have


def test_every_kind_of_layer_is_written_as_both_frameworks_compute_it(workers: Workers, tmp_path: Path) -> None:
    """numpy's own outputs stand for what was recorded."""
    draw = np.random.default_rng(0)
    folders = []
    for index, (kind, numbers, shapes, own) in enumerate(CASES):
        xs = [draw.integers(0, 11, shape) if kind in WHOLE else draw.uniform(-2, 2, shape) for shape in shapes]
        arrays = {name: draw.uniform(0.5, 1.5, shape).astype("float32") for name, shape in own.items()}
        float64_arrays = {name: array.astype("float64") for name, array in arrays.items()}
        outputs = {
            framework: compute(
                kind, numbers | ROUNDED.get((framework, numbers.get("function", "")), {}), xs, float64_arrays
            )
            for framework in (FIRST, SECOND)
        }
        step = RecordedStep(f"layer {index}", kind, numbers, own, tuple(range(len(xs))), len(xs), True, index)
        lines = {name: workers[name].write_script(kind, numbers, own) for name in workers}
        layer = DifferingLayer(step.name, {FIRST: step, SECOND: step}, xs, arrays, outputs, "a cause", lines)
        folders.append(tmp_path / f"{index}")
        write_repro(layer, folders[-1], {FIRST: "1", SECOND: "2"})
    of_twins = {"adaptive_average_pool", "lrn"}  # layers of the suite's own networks
    assert {kind for kind, *_ in CASES} == set(KINDS) - of_twins - UNWRITTEN - {"other"}
    functions = {numbers["function"] for kind, numbers, *_ in CASES if kind == "activation"}
    assert functions == set(ACTIVATIONS)
    for framework in (FIRST, SECOND):
        for (kind, numbers, *_), (gap, _) in zip(CASES, ran(framework, folders, tmp_path), strict=True):
            if framework == SECOND and numbers.get("function") == "relu" and len(numbers) > 1:
                continue  # Paddle's has no such numbers
            assert gap < 1e-12, (framework, kind, numbers)


def test_a_kernel_is_stored_as_each_framework_stores_it() -> None:
    kernel = np.arange(3 * 2 * 1 * 8, dtype=np.float32).reshape(3, 2, 1, 8)
    numbers = {"stride": [1, 1], "groups": 4}
    step = RecordedStep("depthwise", "conv", numbers, {"kernel": kernel.shape}, (0,), 1, True, 0)
    assert own_layout(FIRST, step, "kernel", kernel).shape == (3, 2, 4, 2)
    assert own_layout(SECOND, step, "kernel", kernel).shape == (8, 1, 3, 2)
    assert own_layout(SECOND, step, "kernel", np.zeros((5, 8), np.float32)).shape == (8, 5, 1, 1)
    assert own_layout(FIRST, step, "bias", np.zeros(8, np.float32)).shape == (8,)
