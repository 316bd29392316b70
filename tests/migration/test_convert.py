"""`parity convert` with real files, and plain Keras and plain Paddle as the readers of what it made."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from parity.catalogue.user_models import InputSpec, ModelSpec
from parity.cli import migrate
from parity.cli.main import app
from parity.data.dataset import Dataset
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.conversion.conversion_files import ConversionFiles
from parity.migration.conversion.convert import convert_weights
from parity.migration.specs import FIRST, SECOND
from parity.weights.files import load_state, save_state
from parity.workers.pool import Workers
from parity.workers.worker import Worker
from tests.command_line import ROOT, parity, running

KERAS_NETS = """
import keras, tensorflow as tf
from keras import layers

class Scale(layers.Layer):  # does nothing until it is trained
    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor

class Odd(Scale):  # of no kind that the suite knows
    def call(self, x):
        return tf.math.xdivy(x, self.factor)

def net(bias=True, extra=0, dtype=None, scale=False, odd=False):
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=bias, dtype=dtype, name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="rows")(x)
    x = Scale(name="scale")(x) if scale else x
    x = Odd(name="odd")(x) if odd else x
    for index in range(extra):
        x = layers.Dense(5, name=f"extra{index}")(x)
    return keras.Model(image, layers.Dense(10, name="fc")(x))
"""

PADDLE_NETS = """
from paddle import nn

class Net(nn.Layer):
    def __init__(self, epsilon=1e-3, padding="SAME", bias=True, unused=False):
        super().__init__()
        self.conv = nn.Conv2D(3, 6, 3, stride=2, padding=padding, bias_attr=None if bias else False)
        self.bn = nn.BatchNorm2D(6, epsilon=epsilon)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2D(2)
        self.fc = nn.Linear(96, 10)
        if unused:
            self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.pool(self.relu(self.bn(self.conv(x)))).flatten(1))
"""

MAKE_KERAS = """
import h5py, keras, numpy as np, shutil
from keras_nets import net
from pathlib import Path

def saved(name, **options):
    model = net(**options)
    draw = np.random.default_rng(1)
    model.set_weights([draw.uniform(0.2, 1, w.shape) * (1 if "norm" in w.path else draw.choice([-1, 1], w.shape)) * 0.5
                       for w in model.weights])
    model.save_weights(f"{name}.weights.h5")
    return model

model = saved("trained")
model.compile("adam", "mse")
model.fit(np.load("images.npy"), np.zeros((4, 10)), verbose=0)
model.save_weights("trained.weights.h5")
model.save("trained.keras")
np.save("keras.npy", model.predict(np.load("images.npy"), verbose=0))
saved("extra", extra=1)
saved("half", dtype="float16")
saved("scale", scale=True)
for name, dtype, value in (("nan", "float32", np.nan), ("double", "float64", 1), ("whole", "int32", 1)):
    shutil.copy("trained.weights.h5", f"{name}.weights.h5")
    with h5py.File(f"{name}.weights.h5", "a") as file:
        group = file["layers/dense/vars"]
        kernel = group["0"][:]
        del group["0"]
        kernel[3, 2] = value
        group["0"] = kernel.astype(dtype)
"""

MAKE_PADDLE = """
import numpy as np, paddle
from paddle_nets import Net

draw = np.random.default_rng(2)
model = Net()
for name, tensor in model.state_dict().items():
    sign = 1 if name.startswith("bn") else draw.choice([-0.5, 0.5], tensor.shape)
    values = draw.uniform(0.3, 1, tensor.shape) * sign
    tensor.set_value(values.astype("float32"))
model.eval()
paddle.save(model.state_dict(), "trained.pdparams")
np.save("paddle.npy", model(paddle.to_tensor(np.load("images.npy").transpose(0, 3, 1, 2))).numpy())
state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
for name, change in (
    ("nan", lambda a: np.where(a == a.flat[0], np.nan, a)),
    ("half", lambda a: a.astype("float16")),
    ("double", lambda a: a.astype("float64")),
    ("whole", lambda a: a.astype("int64")),
    ("complex", lambda a: a.astype("complex64")),
    ("swapped", lambda a: a.astype(">f4")),
    ("swapped_half", lambda a: a.astype(">f2")),
):
    paddle.save(state | {"fc.weight": change(state["fc.weight"])}, f"{name}.pdparams")
"""

READ_KERAS = """
import keras, numpy as np
from keras_nets import net

images = np.load("images.npy")
model = net()
model.load_weights("from_paddle.weights.h5")
np.save("h5_read.npy", model.predict(images, verbose=0))
whole = keras.models.load_model("from_paddle.keras")
assert whole.get_layer("norm").epsilon == 1e-3, whole.get_layer("norm").epsilon
np.save("keras_read.npy", whole.predict(images, verbose=0))
print("bits", all((a == b).all() for a, b in zip(model.get_weights(), whole.get_weights(), strict=True)))
"""

READ_PADDLE = """
import numpy as np, paddle
from paddle_nets import Net

images = paddle.to_tensor(np.load("images.npy").transpose(0, 3, 1, 2))
states = []
for name in ("from_h5", "from_keras", "from_names", "there_and_back"):
    model = Net()
    missing, unexpected = model.set_state_dict(paddle.load(f"{name}.pdparams"))
    assert not missing and not unexpected
    model.eval()
    np.save(f"{name}.npy", model(images).numpy())
    states.append({key: tensor.numpy() for key, tensor in model.state_dict().items()})
trained = {key: tensor.numpy() for key, tensor in paddle.load("trained.pdparams").items()}
same = lambda a, b: a.keys() == b.keys() and all(a[key].tobytes() == b[key].tobytes() for key in a)
print("bits", same(states[0], states[1]) and same(states[0], states[2]) and same(states[3], trained))
"""

SAME_ARRAYS = """
import h5py

def arrays(name):
    items = {{}}
    with h5py.File(name) as file:
        file.visititems(lambda key, item: items.update({{key: item[()].tobytes()}}) if hasattr(item, "dtype") else None)
    return items

for name in {names}:
    first, second = arrays(f"{{name}}.weights.h5"), arrays(f"{{name}}.back.weights.h5")
    assert first and first == second, name
"""

Convert = Callable[..., Result]


def plain(source: str, folder: Path) -> str:
    """Run source in a Python that knows the framework, and not this project."""
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(folder)}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models as modules, and weights that the plain frameworks saved."""
    made = tmp_path_factory.mktemp("convert")
    (made / "keras_nets.py").write_text(KERAS_NETS)
    (made / "paddle_nets.py").write_text(PADDLE_NETS)
    np.save(made / "images.npy", np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32))
    plain(MAKE_KERAS, made)
    plain(MAKE_PADDLE, made)
    return made


@pytest.fixture(scope="module")
def both(folder: Path) -> Iterator[Workers]:
    """Workers that can import the modules."""
    with pytest.MonkeyPatch.context() as patch, Workers(threads=1) as workers:
        patch.chdir(folder)
        workers.map(lambda worker: worker.settings())
        yield workers


@pytest.fixture
def convert(both: Workers, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Convert:
    """The command in the models' folder, with an exit code that is required, and without frames in what it says."""
    monkeypatch.setattr(migrate, "_workers", lambda threads: contextlib.nullcontext(both))
    monkeypatch.chdir(folder)

    def run(source: str, dest: str, *more: str, first: str = "net()", second: str = "Net()", code: int = 0) -> Result:
        models = ("--tensorflow", f"keras_nets:{first}", "--paddle", f"paddle_nets:{second}")
        shape = ("--input", "16,16,3", "--dataset", "generated")
        done = CliRunner().invoke(app, ["convert", source, dest, *models, *shape, *more])
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        assert not list(folder.glob(".*part*"))
        return done

    return run


def test_what_was_converted_gives_the_same_in_plain_keras_and_plain_paddle(convert: Convert, folder: Path) -> None:
    done = convert("trained.weights.h5", "from_h5.pdparams")
    assert "8 arrays of 1,162 elements, read back from the new file bit for bit" in done.output
    assert "8 designed sets of inputs: 140 numbers of the outputs agree, largest gap" in done.output
    convert("trained.keras", "from_keras.pdparams")
    convert("trained.weights.h5", "names.safetensors")
    convert("names.safetensors", "from_names.pdparams")
    convert("trained.pdparams", "from_paddle.weights.h5")
    convert("trained.pdparams", "from_paddle.keras")
    convert("swapped.pdparams", "from_swapped.weights.h5")  # the same numbers in the other order of bytes
    convert("from_paddle.weights.h5", "there_and_back.pdparams")
    assert {name: array.shape for name, array in load_state(folder / "names.safetensors").items()} == {
        "conv/kernel": (3, 3, 3, 6),
        "conv/bias": (6,),
        **{f"norm/{kind}": (6,) for kind in ("gamma", "beta", "moving_mean", "moving_variance")},
        "fc/kernel": (96, 10),
        "fc/bias": (10,),
    }

    assert "bits True" in plain(READ_KERAS, folder)
    assert "bits True" in plain(READ_PADDLE, folder)
    shutil.copy(folder / "from_paddle.weights.h5", folder / "from_swapped.back.weights.h5")
    plain(SAME_ARRAYS.format(names=["from_swapped"]), folder)
    for expected, names in (
        ("keras", ("from_h5", "from_keras", "from_names")),
        ("paddle", ("h5_read", "keras_read", "there_and_back")),
    ):
        expected_output = np.load(folder / f"{expected}.npy")
        for name in names:
            np.testing.assert_allclose(
                np.load(folder / f"{name}.npy"), expected_output, rtol=0, atol=1e-5 * np.abs(expected_output).max()
            )


@pytest.mark.slow
def test_kernels_of_every_layout_go_to_paddle_and_back(workers: Workers, dataset: Dataset, tmp_path: Path) -> None:
    """Heads of attention, sequences, transposed convolutions, slopes; bit for bit, as plain Keras reads them."""
    shapes = {"transformer": [16, 16, 3], "signals": [20, 6], "up_again": [8, 8, 3]}
    make = "import keras, sys; sys.path.insert(0, {root!r}); from tests.migration import keras_models\n"
    make += "for name in {names}: getattr(keras_models, name)().save_weights(f'{{name}}.weights.h5')"
    plain(make.format(root=str(ROOT), names=list(shapes)), tmp_path)
    for name, shape in shapes.items():
        first, second = (f"tests.migration.{module}:{name}" for module in ("keras_models", "paddle_models"))
        specs = {FIRST: ModelSpec(first, [InputSpec(shape)]), SECOND: ModelSpec(second, [InputSpec(shape)])}
        there, back = tmp_path / f"{name}.pdparams", tmp_path / f"{name}.back.weights.h5"
        for source, destination in ((tmp_path / f"{name}.weights.h5", there), (there, back)):
            assert not convert_weights(
                RecordedPair(workers, specs, dataset), ConversionFiles(source, destination)
            ).problems
    plain(SAME_ARRAYS.format(names=list(shapes)), tmp_path)


def test_models_that_compute_something_else_are_not_converted(convert: Convert, folder: Path) -> None:
    other = "Net(epsilon=1e-5, padding=1)"
    done = convert("trained.weights.h5", "absent.safetensors", second=other, code=1)
    assert "not converted, absent.safetensors was not written" in done.output
    assert "the verdict on the two models is 'different': expected 'equal'" in done.output
    assert "conv padding: TensorFlow has 0 above, 1 below, 0 left, 1 right, Paddle 1 above" in done.output
    assert "batch norm epsilon: TensorFlow has 0.001, Paddle 1e-05" in done.output
    assert "let --apply-fixes change the Paddle model in memory: `parity compare`" in done.output
    assert not (folder / "absent.safetensors").exists()

    done = convert("trained.weights.h5", "mended.pdparams", "--apply-fixes", second=other)
    assert "your Paddle code needs them, too" in done.output
    assert "epsilon=0.001" in done.output
    assert (folder / "mended.pdparams").exists()
    done = convert("trained.pdparams", "mended.weights.h5", "--apply-fixes", second=other)
    assert "without them these weights were trained" in done.output


@pytest.mark.parametrize(
    ("source", "first", "says"),
    [
        pytest.param(
            "trained.pdparams",
            "net(bias=False)",
            "conv: the array conv.bias (6) exists in PaddlePaddle only",
            marks=pytest.mark.slow,
        ),
        ("trained.pdparams", "net(scale=True)", "scale: the array scale/factor (96) exists in TensorFlow only"),
        pytest.param(
            "trained.pdparams",
            "net(odd=True)",
            "odd: the array odd/factor (96) exists in TensorFlow only",
            marks=pytest.mark.slow,
        ),
        (
            "trained.pdparams",
            "net(extra=1)",
            "extra0: the arrays extra0/bias (5), extra0/kernel (96x5) exist in TensorFlow only",
        ),
    ],
)
def test_arrays_that_one_model_has_alone_are_never_lost(
    convert: Convert, folder: Path, source: str, first: str, says: str
) -> None:
    done = convert(source, "lost.weights.h5", first=first, code=1)
    assert says in done.output
    assert not (folder / "lost.weights.h5").exists()


def test_arrays_that_no_output_depends_on_are_listed(convert: Convert, folder: Path) -> None:
    """And what a killed conversion to the same file has left is gone then, as `convert` requires."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (folder / f".strays.{ended.pid}.part.pdparams").touch()
    done = convert("trained.weights.h5", "strays.pdparams", second="Net(unused=True)")
    assert (
        "arrays of the PaddlePaddle model that its outputs do not depend on, written as the model was built: "
        "head.weight, head.bias"
    ) in done.output
    done = convert("strays.pdparams", "strays.weights.h5", second="Net(unused=True)")
    assert "its outputs do not depend on, not converted: head.weight, head.bias" in done.output


def test_an_existing_file_is_refused_before_anything_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "old.pdparams").write_text("old")
    models = ["--tensorflow", "no.such:net", "--paddle", "no.such:Net", "--input", "16,16,3"]
    done = CliRunner().invoke(app, ["convert", "trained.weights.h5", "old.pdparams", *models])
    assert done.exit_code == 2
    assert "old.pdparams exists already: expected a new file's name" in done.output
    assert (folder / "old.pdparams").read_text() == "old"


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("reading trained.weights.h5", marks=pytest.mark.slow),
        pytest.param("writing killed.pdparams", marks=pytest.mark.slow),
        "both models with these weights",
    ],
)
def test_a_killed_conversion_leaves_no_file(folder: Path, stage: str) -> None:
    """Neither a broken one nor a whole one that nobody has proven."""
    models = ("--tensorflow", "keras_nets:net()", "--paddle", "paddle_nets:Net()", "--input", "16,16,3")
    arguments = ("convert", "trained.weights.h5", "killed.pdparams", *models, "--dataset", "generated", "--threads=1")
    with running(*arguments, cwd=folder) as process:
        assert process.stderr is not None
        assert any(stage in line for line in process.stderr)
        process.kill()
        process.wait()
    assert not (folder / "killed.pdparams").exists()
    if stage == "both models with these weights":  # which the file has been written for
        assert list(folder.glob(".killed.*.part.pdparams"))
    parity(*arguments, cwd=folder)
    assert [path.name for path in folder.glob("*killed*")] == ["killed.pdparams"]
    (folder / "killed.pdparams").unlink()


def test_a_file_that_does_not_hold_what_was_written_is_not_taken(
    convert: Convert, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Worker.save_weights

    def tampered(worker: Worker, network: str, path: str) -> list[str]:
        written = own(worker, network, path)
        Path(path).write_bytes((folder / "trained.pdparams").read_bytes())
        return written

    monkeypatch.setattr(Worker, "save_weights", tampered)
    done = convert("trained.weights.h5", "tampered.pdparams", code=1)
    assert "'conv.weight' does not come back from the written file as it was written" in done.output
    assert not (folder / "tampered.pdparams").exists()


def test_a_file_of_another_model_is_refused(convert: Convert) -> None:
    done = convert("extra.weights.h5", "x.pdparams", code=2)  # Keras itself would skip them without a message
    assert "does not fit the model" in done.output


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nan.weights.h5", "'fc/kernel' holds 1 NaN"),
        pytest.param("nan.pdparams", "'fc.weight' holds 1 NaN", marks=pytest.mark.slow),
        pytest.param("nan.safetensors", "'fc/kernel' holds 1 NaN", marks=pytest.mark.slow),
        pytest.param("half.weights.h5", "'layers/conv2d/vars/0' is float16", marks=pytest.mark.slow),
        ("half.pdparams", "'fc.weight' is half precision"),
        pytest.param("half.safetensors", "'fc/kernel' is F16", marks=pytest.mark.slow),
        pytest.param("double.weights.h5", "'layers/dense/vars/0' is float64", marks=pytest.mark.slow),
        pytest.param(
            "double.pdparams",
            "'fc.weight' is float64; expected float32: save the model in float32",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "whole.pdparams",
            "'fc.weight' is int64; expected float32: save the model in float32",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "whole.weights.h5",
            "no floating-point numbers in the file: 'layers/dense/vars/0' is int32; expected float32",
            marks=pytest.mark.slow,
        ),
        pytest.param("complex.pdparams", "'fc.weight' is complex64; expected float32", marks=pytest.mark.slow),
        pytest.param("swapped_half.pdparams", "'fc.weight' is half precision", marks=pytest.mark.slow),
        pytest.param(
            "nested.pdparams", "not readable as a pickle (TypeError: a tuple as a name)", marks=pytest.mark.slow
        ),
        pytest.param("hostile.pdparams", r"not in the model: '\x1b[2J\x07\ud800yyy", marks=pytest.mark.slow),
        ("lacking.safetensors", "missing: 'fc/bias' (10,)"),
        pytest.param("cut.pdparams", "not readable as a pickle", marks=pytest.mark.slow),
        ("evil.pdparams", "refused: it asks for 'posix.system'"),
        ("cut.weights.h5", "does not fit the model: OSError"),
        ("cut.safetensors", "not a whole safetensors file"),
        pytest.param("absent.weights.h5", "no such file", marks=pytest.mark.slow),
    ],
)
def test_a_source_that_cannot_be_taken_is_refused_by_name(
    convert: Convert, folder: Path, source: str, says: str
) -> None:
    state = {
        "conv/kernel": np.ones((3, 3, 3, 6), np.float32),
        **{f"norm/{kind}": np.ones(6, np.float32) for kind in ("gamma", "beta", "moving_mean", "moving_variance")},
        **{"conv/bias": np.ones(6, np.float32), "fc/bias": np.ones(10, np.float32)},
        "fc/kernel": np.ones((96, 10), np.float32),
    }
    kernel = state["fc/kernel"]
    save_state(
        state | {"fc/kernel": np.where(np.arange(960).reshape(96, 10) == 5, np.nan, kernel)}, folder / "nan.safetensors"
    )
    save_state(state | {"fc/kernel": kernel.astype(np.float16)}, folder / "half.safetensors")
    save_state({name: array for name, array in state.items() if name != "fc/bias"}, folder / "lacking.safetensors")
    for name in ("trained.pdparams", "trained.weights.h5", "nan.safetensors"):
        whole = (folder / name).read_bytes()
        (folder / f"cut.{name.partition('.')[2]}").write_bytes(whole[: len(whole) // 2])
    (folder / "evil.pdparams").write_bytes(pickle.dumps(_Evil()))
    (folder / "nested.pdparams").write_bytes(b"\x80\x04})" + b"\x85" * 1_000_000 + b"Ns.")
    name = "\x1b[2J\a\ud800" + "y" * 1_000_000
    (folder / "hostile.pdparams").write_bytes(pickle.dumps({name: kernel}))

    dest = "refused.weights.h5" if source.endswith("pdparams") else "refused.pdparams"
    done = convert(source, dest, code=2)
    assert source in done.output
    assert says in " ".join(done.output.split())
    assert len(done.output) < 4000
    assert "site-packages" not in done.output
    assert "\x1b" not in done.output
    assert not (folder / dest).exists()
    assert not (folder / "was_here").exists()


class _Evil:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        import os

        return os.system, ("touch was_here",)


@pytest.mark.parametrize(
    ("source", "dest", "says"),
    [
        ("a.h5", "b.pdparams", "a.h5: unknown kind of file; expected .weights.h5 or .keras"),
        ("a.pdparams", "b.onnx", "b.onnx: unknown kind of file"),
        ("a.keras", "b.weights.h5", "are both TensorFlow files"),
        ("a.safetensors", "b.safetensors", "are both canonical files"),
        ("a.pdparams", "nowhere/b.keras", "a.pdparams: no such file"),
        ("pyproject.toml", "b.keras", "unknown kind of file"),
    ],
)
def test_files_of_the_wrong_kind_are_refused_before_anything_is_loaded(source: str, dest: str, says: str) -> None:
    models = ["--tensorflow", "keras_nets:net", "--paddle", "paddle_nets:Net", "--input", "16,16,3"]
    done = CliRunner().invoke(app, ["convert", source, dest, *models])
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


def test_the_command_in_a_process_of_its_own(folder: Path) -> None:
    models = ("--tensorflow", "keras_nets:net()", "--paddle", "paddle_nets:Net()", "--input", "16,16,3")
    more = ("--dataset", "generated", "--threads", "1")
    done = parity("convert", "trained.pdparams", "own.weights.h5", *models, *more, cwd=folder)
    assert done.stdout.startswith("converted: trained.pdparams (PaddlePaddle) -> own.weights.h5 (TensorFlow)")
    assert (folder / "own.weights.h5").exists()


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk with no room left."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    (folder / "filler").write_bytes(b"x" * 4096)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("trained.weights.h5", "new.pdparams"),
        pytest.param("trained.weights.h5", "new.safetensors", marks=pytest.mark.slow),
        ("trained.pdparams", "new.weights.h5"),
        pytest.param("trained.pdparams", "new.keras", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_reported_for_the_file_that_was_asked_for(
    convert: Convert, full: Path, source: str, name: str
) -> None:
    """Whichever library writes, and whatever its own message is."""
    done = convert(source, str(full / name), code=2)
    message = " ".join(done.output.split())
    assert f"{name}: could not be written: No space left on device." in message
    assert "bytes are needed, 0 are free there." in message
    assert [path.name for path in full.iterdir()] == ["filler"]
