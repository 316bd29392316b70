"""`parity convert` of models that are no chains of layers, with plain Keras and plain Paddle as the readers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.conversion.array_transfer import ArrayTransfer
from parity.migration.conversion.conversion_files import ConversionFiles
from parity.migration.conversion.convert import Conversion, convert_weights
from parity.migration.specs import input_specs, model_specs
from parity.weights.files import load_state
from parity.weights.state import StateError
from parity.workers.pool import Workers
from parity.workers.worker import Worker
from tests.command_line import ROOT
from tests.migration.pairs import PAIRS, Pair
from tests.migration.verdicts import put_together

CONVERTED = [
    "recurrent/lstm",
    "recurrent/gru",
    "recurrent/bidirectional",
    "fused/attention",
    "attention/cross",
    "recommenders/two-towers",
    "siamese/recurring",
    "normalisation/weight-norm",
    "building/subclass",
]

# Draws weights for every model, saves them, and says what the model gives; or does so with the other one's weights.
PLAIN = """
import importlib, json, sys
import numpy as np

sys.path.insert(0, sys.argv[1])
draw = np.random.default_rng(3)
rows = json.loads(sys.argv[2])
for name, (target, count) in rows.items():
    module, _, function = target.partition(":")
    model = getattr(importlib.import_module(module), function)()
    with np.load(f"{name}.inputs.npz") as recorded:
        inputs = [recorded[f"arr_{index}"] for index in range(count)]
    np.save(f"{name}.{FRAMEWORK}.npy", run(model, name, inputs, draw))
"""

PLAIN_KERAS = """
import keras

FRAMEWORK = "tensorflow"

def run(model, name, inputs, draw):
    given = inputs if len(inputs) > 1 else inputs[0]
    model(given)
    if sys.argv[3] == "make":
        model.set_weights([draw.normal(0, 0.5, array.shape) for array in model.get_weights()])
        model.save_weights(f"{name}.weights.h5")
    else:
        model.load_weights(f"{name}.made.weights.h5")
    return keras.ops.convert_to_numpy(model(given))
"""

PLAIN_PADDLE = """
import paddle

FRAMEWORK = "paddle"

def run(model, name, inputs, draw):
    model.eval()
    if sys.argv[3] == "make":
        state = {key: draw.normal(0, 0.5, array.shape).astype("float32") for key, array in model.state_dict().items()}
        model.set_state_dict(state)
        paddle.save(model.state_dict(), f"{name}.pdparams")
    else:
        missing, unexpected = model.set_state_dict(paddle.load(f"{name}.made.pdparams"))
        assert not missing and not unexpected
    return model(*map(paddle.to_tensor, inputs)).numpy()
"""


def row(name: str) -> Pair:
    return next(pair for pair in PAIRS if pair.name == name)


def stem(name: str) -> str:
    return name.replace("/", "_")


def plain(framework: str, mode: str, folder: Path) -> dict[str, np.ndarray]:
    """What all models of one framework give, in a process that the suite has no part in."""
    code = PLAIN.replace("\ndraw =", f"\n{PLAIN_KERAS if framework == 'tensorflow' else PLAIN_PADDLE}\ndraw =", 1)
    targets = {stem(name): (getattr(row(name), framework), len(row(name).inputs)) for name in CONVERTED}
    arguments = [str(ROOT), json.dumps(targets), mode]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: np.load(folder / f"{stem(name)}.{framework}.npy") for name in CONVERTED}


def paired(workers: Workers, name: str) -> RecordedPair:
    pair = row(name)
    return RecordedPair(workers, model_specs(pair.tensorflow, pair.paddle, input_specs(list(pair.inputs))))


def converted(workers: Workers, name: str, source: Path, destination: Path) -> Conversion:
    pair = paired(workers, name)
    done = convert_weights(pair, ConversionFiles(source, destination))
    pair.forget()
    assert not done.problems, (name, done.problems)
    assert done.agreement is not None
    assert done.agreement.elements > 0
    return done


@pytest.mark.slow
def test_what_was_converted_gives_the_same_in_plain_keras_and_plain_paddle(workers: Workers, tmp_path: Path) -> None:
    """Recurrent layers, fused projections, several inputs, a layer used three times, a subclassed model."""
    draw = np.random.default_rng(0)
    for name in CONVERTED:
        shapes = [spec.shape for spec in input_specs(list(row(name).inputs))]
        arrays = [draw.uniform(-1, 1, (3, *shape)).astype(np.float32) for shape in shapes]
        np.savez(tmp_path / f"{stem(name)}.inputs.npz", *arrays)
    expected = {framework: plain(framework, "make", tmp_path) for framework in ("tensorflow", "paddle")}
    notes = {}
    for name in CONVERTED:
        own = {suffix: tmp_path / f"{stem(name)}{suffix}" for suffix in (".weights.h5", ".pdparams")}
        made = {suffix: tmp_path / f"{stem(name)}.made{suffix}" for suffix in own}
        converted(workers, name, own[".weights.h5"], made[".pdparams"])
        notes[name] = converted(workers, name, own[".pdparams"], made[".weights.h5"]).notes
    for framework, other in (("tensorflow", "paddle"), ("paddle", "tensorflow")):
        for name, output in plain(framework, "read", tmp_path).items():
            scale = np.abs(expected[other][name]).max()
            np.testing.assert_allclose(output, expected[other][name], rtol=0, atol=1e-5 * scale, err_msg=name)
    # of random biases float32 cannot hold every sum
    assert "rnn.bias_ih_l0" in " ".join(notes["recurrent/lstm"])
    assert notes["recurrent/gru"] == []


@pytest.fixture
def own(workers: Workers) -> Iterator[Callable[[str], Worker]]:
    """Opens the Paddle model of a pair in float32, for files that are read and changed here; under the name "own"."""

    def opened(name: str) -> Worker:
        pair = row(name)
        specs = model_specs(pair.tensorflow, pair.paddle, input_specs(list(pair.inputs)), dtype="float32")
        workers["paddle"].open_model("own", specs["paddle"])
        return workers["paddle"]

    yield opened
    workers["paddle"].close_model("own")


def test_a_recurrent_layer_by_way_of_canonical_names(
    workers: Workers, own: Callable[[str], Worker], tmp_path: Path
) -> None:
    """Of two biases that Paddle adds there is the sum."""
    name = "recurrent/lstm"
    worker = own(name)
    arrays = worker.read_arrays("own")
    worker.write_arrays("own", {key: np.full_like(array, 0.25) for key, array in arrays.items()})
    worker.save_weights("own", str(tmp_path / "own.pdparams"))
    converted(workers, name, tmp_path / "own.pdparams", tmp_path / "own.safetensors")
    by_role = {
        key.rpartition("/")[2]: array
        for key, array in load_state(tmp_path / "own.safetensors").items()
        if key.startswith("memory/")
    }
    assert {role: (array.shape, array.flat[0]) for role, array in by_role.items()} == {
        "kernel": ((3, 20), 0.25),
        "recurrent_kernel": ((5, 20), 0.25),
        "bias": ((20,), 0.5),
    }
    done = converted(workers, name, tmp_path / "own.safetensors", tmp_path / "back.pdparams")
    assert any("the second holds zeros" in note for note in done.notes)
    worker.load_weights("own", str(tmp_path / "back.pdparams"))
    biases = {key: array for key, array in worker.read_arrays("own").items() if "bias_ih" in key or "bias_hh" in key}
    assert {float(array[0]) for array in biases.values()} == {0.5, 0.0}


def test_constants_of_a_source_that_the_other_model_has_in_its_code(
    workers: Workers, own: Callable[[str], Worker], tmp_path: Path
) -> None:
    """As a buffer of a normalisation: other numbers than the code's cannot be converted."""
    name, kept = "precision/standardise", "mean"
    worker = own(name)
    worker.save_weights("own", str(tmp_path / "own.pdparams"))
    done = converted(workers, name, tmp_path / "own.pdparams", tmp_path / "own.weights.h5")
    assert any("in its code, as it was built" in note and kept in note for note in done.notes)

    worker.write_arrays("own", {kept: worker.read_arrays("own")[kept] + 1})
    worker.save_weights("own", str(tmp_path / "other.pdparams"))
    with pytest.raises(StateError, match=f"other.pdparams: '{kept}' holds other numbers than the model is built with"):
        convert_weights(paired(workers, name), ConversionFiles(tmp_path / "other.pdparams", tmp_path / "x.weights.h5"))
    assert not list(tmp_path.glob("*x.weights.h5*"))


def test_arrays_that_do_not_come_back_are_named(workers: Workers) -> None:
    pair = paired(workers, "recurrent/gru")
    put_together(pair)
    transfer = ArrayTransfer(pair)
    arrays = {name: array.astype(np.float32) for name, array in workers["paddle"].read_arrays(pair.name).items()}
    shared = transfer.shared_of_second(arrays)
    assert transfer.differing(shared, arrays) == ([], [])
    name = next(iter(arrays))
    arrays[name] = arrays[name] + 1
    size = arrays[name].size
    problems, rounded = transfer.differing(shared, arrays)
    assert problems == [f"{name!r} of Paddle: {size} of {size} numbers would be others in TensorFlow"]
    assert rounded == []
