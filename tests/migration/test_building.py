"""Users' models built and called in real workers: formats, precisions, several inputs and outputs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.catalogue.user_models import InputSpec, ModelSpec
from parity.numerics.arrays import Arrays
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from tests.command_line import surroundings
from tests.conftest import FaultyPair

# A verb that builds a model and calls it; one that calls a function of a module.
VERBS = """
def built(spec, dtype, training=False, arrays=None):
    from PACKAGE.user_models import building, calling
    from parity.runtime.user_models import BuildSpec
    spec = BuildSpec.from_dict(spec)
    made = building.build_running(spec, dtype)
    given = arrays or spec.examples()
    tensors = calling.to_tensors(given, spec.inputs, made.calling.axes, dtype)
    flat = calling.flatten_outputs(calling.call_model(made.model, tensors, training, made.calling.way))
    facts = {
        "precision": made.precision,
        "names": made.names,
        "axes": made.calling.axes,
        "paths": [path for path, _ in flat],
        "all": [one.axes for one in calling.callings(made.model, spec, dtype)],
        "eager": getattr(made.model, "ran_eagerly", None),
        "arrays": ARRAYS,
    }
    return facts, {str(index): x.numpy() for index, (_, x) in enumerate(flat) if "float16" not in str(x.dtype)}

def run_function(module, name, argument):
    import importlib, sys
    sys.path.insert(0, FOLDER)
    getattr(importlib.import_module(module), name)(argument)
    return {}

VERBS |= {"built": built, "run_function": run_function}
"""

OWN_ARRAYS = {
    "paddle": "{name: str(x.dtype).removeprefix('paddle.') for name, x in made.model.state_dict().items()}",
    "tensorflow": "{x.path: str(x.dtype) for x in made.model.weights}",
}

BOTH = pytest.mark.parametrize("framework", FRAMEWORKS)

TWO = [InputSpec([4], "wide"), InputSpec([2], "deep")]

Build = Callable[..., tuple[dict[str, Any], Arrays]]


@pytest.fixture(scope="module")
def call(faulty_pair: FaultyPair) -> Callable[..., Any]:
    """Calls one of the extra verbs in a framework's worker."""

    def to(framework: str, verb: str, **arguments: Any) -> Any:
        package = FRAMEWORKS[framework].package
        source = VERBS.replace("PACKAGE", package).replace("ARRAYS", OWN_ARRAYS[framework])
        source = source.replace("FOLDER", repr(str(Path(__file__).parents[2])))
        return faulty_pair(framework, {f"{package}.verbs": source})[framework].call(verb, **arguments)

    return to


@pytest.fixture(scope="module")
def build(call: Callable[..., Any]) -> Build:
    """Builds a model of the test modules, or another target, and runs it."""

    def made(
        framework: str, target: str, inputs: list[InputSpec], dtype: str = "float64", weights: str = "", **options: Any
    ) -> tuple[dict[str, Any], Arrays]:
        modules = {"paddle": "tests.migration.paddle_inputs", "tensorflow": "tests.migration.keras_inputs"}
        target = target if "/" in target or ":" in target else f"{modules[framework]}:{target}"
        spec = ModelSpec(target, inputs, weights=weights, dtype=dtype)
        reply = call(framework, "built", spec=asdict(spec), dtype=dtype, **options)
        return reply.result, reply.arrays

    return made


@pytest.fixture(scope="module")
def saved(call: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of file that the frameworks write, `keras` and `paddle`."""
    folder = tmp_path_factory.mktemp("saved")
    for framework, name in (("tensorflow", "keras"), ("paddle", "paddle")):
        (folder / name).mkdir()
        module = f"tests.migration.{name}_inputs"
        call(framework, "run_function", module=module, name="save", argument=str(folder / name))
    (folder / "keras/cut.keras").write_bytes((folder / "keras/plain.keras").read_bytes()[:3000])
    return folder


@pytest.mark.parametrize(
    ("framework", "target"),
    [
        ("tensorflow", "listed()"),
        ("tensorflow", "several()"),
        ("tensorflow", "packed(by_name=True)"),
        ("tensorflow", "packed(by_name=False)"),
        ("paddle", "several()"),
        ("paddle", "packed(by_name=True)"),
        ("paddle", "packed(by_name=False)"),
        ("paddle", "starred()"),
    ],
)
@pytest.mark.parametrize("names", [("wide", "deep"), ("", "")])
def test_several_inputs_are_taken_by_name_or_in_order(
    build: Build, framework: str, target: str, names: tuple[str, str]
) -> None:
    inputs = [InputSpec(spec.shape, name) for spec, name in zip(TWO, names, strict=True)]
    if target == "packed(by_name=True)" and not names[0]:
        with pytest.raises(WorkerError, match="does not run on --input 4 --input 2"):
            build(framework, target, inputs)
        return
    facts, outputs = build(framework, target, inputs)
    assert facts["paths"] == (["0", "1.sum"] if target == "several()" else [""])
    assert outputs["0"].dtype == np.float64
    assert facts["precision"] == ("float32" if target == "starred()" else "float64")


@BOTH
def test_names_decide_where_the_order_is_another(build: Build, framework: str) -> None:
    swapped, wide, deep = [TWO[1], TWO[0]], np.full((2, 4), 3.0), np.full((2, 2), 5.0)
    arrays = {"deep": deep, "wide": wide}
    _, outputs = build(framework, "several()", swapped, arrays=arrays)
    assert np.array_equal(outputs["1"], wide + 5)  # of names that neither has, the order decides
    inputs = [InputSpec([4], "a"), InputSpec([2], "b")]
    _, outputs = build(framework, "several()", inputs, arrays={"a": wide, "b": deep})
    assert np.array_equal(outputs["1"], wide + 5)


def test_a_dictionary_of_inputs_is_in_the_order_in_which_it_is_written(build: Build) -> None:
    wide, deep = np.full((2, 4), 3.0), np.full((2, 2), 5.0)
    unnamed = [InputSpec([4]), InputSpec([2])]
    facts, outputs = build("tensorflow", "written()", unnamed, arrays={"0": wide, "1": deep})
    assert facts["names"] == ["wide", "deep"]
    by_path = dict(zip(facts["paths"], outputs.values(), strict=True))
    assert set(by_path) == {"both", "first", "second"}
    assert np.array_equal(by_path["both"], np.concatenate([wide, 10 * deep], axis=1))
    assert np.array_equal(by_path["second"], deep + 1)


def test_outputs_in_objects_have_paths(build: Build) -> None:
    assert build("paddle", "detector()", TWO)[0]["paths"] == ["boxes", "scores.0", "scores.1"]


@pytest.mark.parametrize(
    ("framework", "target", "inputs", "says"),
    [
        ("tensorflow", "listed()", [*TWO, InputSpec([3], "third")], "expected the inputs wide, deep, found wide, deep"),
        ("tensorflow", "listed()", TWO[:1], "expected the inputs wide, deep, found wide"),
        ("paddle", "detector()", [*TWO, InputSpec([3], "third")], "expected the inputs wide, deep, found wide, deep"),
        ("paddle", "detector()", TWO[:1], "expected the inputs wide, deep, found wide"),
        (
            "paddle",
            "several()",
            [*TWO, InputSpec([4], "third")],
            "expected the inputs wide, deep (1 required), found wide, deep",
        ),
    ],
)
def test_inputs_that_a_model_does_not_have_are_refused(
    build: Build, framework: str, target: str, inputs: list[InputSpec], says: str
) -> None:
    with pytest.raises(WorkerError, match=re.escape(says)):
        build(framework, target, [InputSpec(one.shape, one.name or "x") for one in inputs])


@pytest.mark.parametrize(
    ("target", "shape", "axes"),
    [
        ("maps()", [6, 6, 3], [[0, 3, 1, 2]]),
        ("maps(last=True)", [6, 6, 3], [[0, 1, 2, 3]]),
        ("maps(channels=6)", [6, 6, 6], [[0, 3, 1, 2], [0, 1, 2, 3]]),  # the values have to decide
        ("turning()", [6, 6, 3], [[0, 1, 2, 3]]),
        ("volumes()", [4, 4, 4, 2], [[0, 4, 1, 2, 3]]),
        ("signals(first=True)", [9, 5], [[0, 2, 1]]),
        ("signals(first=False)", [9, 5], [[0, 1, 2]]),
        ("signals(first=False)", [5, 5], [[0, 1, 2], [0, 2, 1]]),
        ("indexed()", [4], [[0, 1]]),
    ],
)
def test_paddle_takes_axes_in_the_orders_under_which_it_runs(
    build: Build, target: str, shape: list[int], axes: list[list[int]]
) -> None:
    facts, _ = build("paddle", target, [InputSpec(shape)])
    assert facts["axes"] == [axes[0]]
    assert facts["all"] == [[one] for one in axes]


def test_parameters_with_names_are_built_again_and_again(build: Build) -> None:
    for _ in range(3):
        assert build("paddle", "named()", [InputSpec([4])])[0]["precision"] == "float64"


def test_whole_numbers_stay_whole_and_all_others_are_cast(build: Build) -> None:
    facts, outputs = build("paddle", "indexed()", [InputSpec([4])])
    assert facts["arrays"] == {"dense.weight": "float64", "dense.bias": "float64", "order": "int64"}
    assert outputs["0"].dtype == np.float64
    facts, outputs = build("tensorflow", "counted()", [InputSpec([4])])
    kinds = set(facts["arrays"].values())
    assert {kind for kind in kinds if kind.startswith("float")} == {"float64"}
    assert any(kind.startswith("int") for kind in kinds)
    assert outputs["0"].dtype == np.float64


def test_a_single_layers_float32_is_the_models_precision(build: Build) -> None:
    for dtype in ("float64", "float32"):
        facts, outputs = build("tensorflow", "last_single()", [InputSpec([4])], dtype)
        assert set(facts["arrays"].values()) == {dtype}
        assert outputs["0"].dtype == dtype


@BOTH
def test_a_model_whose_code_fixes_float32_says_so_and_runs_in_float32(build: Build, framework: str) -> None:
    with pytest.raises(WorkerError, match=r"PrecisionError: .*runs in float32, and not in float64") as caught:
        build(framework, "fixed()", [InputSpec([4])])
    assert "float" in str(caught.value)
    assert build(framework, "fixed()", [InputSpec([4])], "float32")[0]["precision"] == "float32"


@pytest.mark.parametrize(
    ("framework", "target", "precision"),
    [
        ("tensorflow", "mixed('mixed_bfloat16')", "mixed_bfloat16"),
        ("tensorflow", "mixed('mixed_float16')", "mixed_float16"),
        ("paddle", "half()", "bfloat16"),
    ],
)
def test_half_precision_is_built_as_it_is(build: Build, framework: str, target: str, precision: str) -> None:
    with pytest.raises(WorkerError, match=f"PrecisionError: .*computes in {precision} only"):
        build(framework, target, [InputSpec([4])])
    if framework == "tensorflow":
        assert build(framework, target, [InputSpec([4])], "float32")[0]["precision"] == precision
        # what the model set for the whole process is gone
        assert build(framework, "last_single()", [InputSpec([4])])[0]["precision"] == "float64"


@BOTH
def test_weights_that_are_no_numbers_are_refused(build: Build, framework: str) -> None:
    with pytest.raises(WorkerError, match="holds 1 NaN or infinite values"):
        build(framework, "not_a_number()", [InputSpec([4])])


@pytest.mark.parametrize(
    ("framework", "target", "inputs"), [("tensorflow", "compiled()", [InputSpec([4])]), ("paddle", "static()", TWO)]
)
def test_compiled_functions_are_run_as_python_code(
    build: Build, framework: str, target: str, inputs: list[InputSpec]
) -> None:
    facts, outputs = build(framework, target, inputs)
    assert facts["eager"] is True
    assert outputs["0"].dtype == np.float64
    assert framework == "tensorflow" or facts["names"] == ["wide", "deep"]


def test_what_keras_saves_gives_the_same_numbers_in_every_format(build: Build, saved: Path) -> None:
    ones = {"picture": np.ones((1, 6, 6, 3), np.float32)}
    inputs, expected = [InputSpec([6, 6, 3], "picture")], np.load(saved / "keras/plain.npy")
    for name, dtype in (
        ("plain.keras", "float64"),
        ("plain.h5", "float64"),
        ("plain", "float32"),
        ("plain", "float64"),
    ):
        facts, outputs = build("tensorflow", str(saved / "keras" / name), inputs, dtype, arrays=ones)
        assert np.allclose(outputs["0"], expected, rtol=1e-5, atol=1e-6)
        assert len(facts["arrays"]) == 2
    assert facts["names"] == ["picture"]
    kernel, bias = facts["arrays"]
    assert (kernel[-6:], bias[-4:]) == ("kernel", "bias")


def test_a_saved_function_of_several_inputs_and_outputs(build: Build, saved: Path) -> None:
    first, second = np.array([[1, 2]], np.float32), np.array([[5, 7]], np.float32)
    inputs = [InputSpec([2], "second"), InputSpec([2], "first")]
    given = {"second": second, "first": first}
    facts, outputs = build("tensorflow", str(saved / "keras/module"), inputs, "float32", arrays=given)
    assert facts["arrays"] == {"scale": "float32"}
    by_path = dict(zip(facts["paths"], outputs.values(), strict=True))
    assert np.array_equal(by_path["sum"], first * [2, 3] + second)
    assert np.array_equal(by_path["difference"], first - second)


@pytest.mark.parametrize("cut", [1, 4, 8, 40, 200])
def test_a_program_whose_arrays_end_early_is_refused(build: Build, saved: Path, tmp_path: Path, cut: int) -> None:
    """Paddle itself loads a file that lacks a few bytes, with any numbers in their place."""
    program = next(path for path in (saved / "paddle").glob("plain.*") if path.suffix in (".json", ".pdmodel"))
    shutil.copy(program, tmp_path)
    whole = program.with_suffix(".pdiparams").read_bytes()
    (tmp_path / "plain.pdiparams").write_bytes(whole[:-cut])
    with pytest.raises(WorkerError, match=rf"ends in the middle of the array .* found {len(whole) - cut}; copy"):
        build("paddle", str(tmp_path / program.name), [InputSpec([6, 6, 3], "picture")], "float32")


@pytest.mark.parametrize("place", [16, 20, 24])  # the size of a description, and the description
def test_a_program_whose_arrays_are_damaged_is_refused(build: Build, saved: Path, tmp_path: Path, place: int) -> None:
    program = next(path for path in (saved / "paddle").glob("plain.*") if path.suffix in (".json", ".pdmodel"))
    shutil.copy(program, tmp_path)
    whole = program.with_suffix(".pdiparams").read_bytes()
    (tmp_path / "plain.pdiparams").write_bytes(whole[:place] + b"\xff" * 4 + whole[place + 4 :])
    with pytest.raises(WorkerError, match=r"TargetError: .*plain"):
        build("paddle", str(tmp_path / program.name), [InputSpec([6, 6, 3], "picture")], "float32")


def test_what_paddle_saves_gives_the_same_numbers_in_every_format(build: Build, saved: Path) -> None:
    ones = {"picture": np.ones((1, 6, 6, 3), np.float32)}
    inputs, expected = [InputSpec([6, 6, 3], "picture")], np.load(saved / "paddle/plain.npy")
    for name in ("plain.json", "plain.pdiparams"):
        if not (saved / "paddle/plain.json").exists():
            name = name.replace(".json", ".pdmodel")
        facts, outputs = build("paddle", str(saved / "paddle" / name), inputs, "float32", arrays=ones)
        assert np.allclose(outputs["0"], expected, rtol=1e-5, atol=1e-6)
        assert (facts["names"], facts["axes"], len(facts["arrays"])) == (["picture"], [[0, 3, 1, 2]], 2)
    weights = str(saved / "paddle/plain.pdparams")
    _, outputs = build("paddle", "maps()", inputs, weights=weights, arrays=ones)
    assert np.allclose(outputs["0"], expected, rtol=1e-5, atol=1e-6)
    two = [InputSpec([2], "deep"), InputSpec([4], "wide")]
    program = next(path for path in (saved / "paddle").glob("two.*") if path.suffix in (".json", ".pdmodel"))
    facts, outputs = build("paddle", str(program), two, "float32")
    assert [outputs[key].shape for key in ("0", "1")] == [(2, 3), (2, 4)]


def test_programs_of_paddle_2_are_loaded_by_paddle_3(build: Build, saved: Path) -> None:
    folder = saved / "old"
    folder.mkdir()
    code = f"from tests.migration import paddle_inputs; paddle_inputs.save({str(folder)!r})"
    python = os.environ.get(FRAMEWORKS["paddle"].interpreter_variable, sys.executable)
    environment = surroundings() | {"FLAGS_enable_pir_api": "0"}
    subprocess.run([python, "-c", code], env=environment, check=True, capture_output=True)
    inputs, ones = [InputSpec([6, 6, 3], "picture")], {"picture": np.ones((1, 6, 6, 3), np.float32)}
    facts, outputs = build("paddle", str(folder / "plain.pdmodel"), inputs, arrays=ones)
    assert facts["names"] == ["picture"]
    assert np.allclose(outputs["0"], np.load(folder / "plain.npy"), rtol=1e-5, atol=1e-6)
    # and the worker is as it was
    assert build("paddle", "maps()", [InputSpec([6, 6, 3])])[0]["precision"] == "float64"


@pytest.mark.parametrize(
    ("framework", "target", "inputs", "says"),
    [
        (
            "tensorflow",
            "keras/plain",
            [InputSpec([5, 5, 3])],
            "was saved for other inputs: expected picture [?, 6, 6, 3",
        ),
        ("tensorflow", "keras/plain", [InputSpec([6, 6, 3], tokens=9)], "was saved for other inputs"),
        ("tensorflow", "keras/plain", TWO, "expected the inputs picture, found wide, deep; the file's inputs are"),
        ("tensorflow", "keras/empty", TWO, "has no signature serving_default; it has none"),
        ("tensorflow", "keras/nothing", TWO, "cannot be loaded as a SavedModel"),
        ("tensorflow", "keras/cut.keras", TWO, "a .keras file is a zip archive, and this is none"),
        ("tensorflow", "paddle/plain.pdparams", TWO, "the TensorFlow model is the first target"),
        ("paddle", "paddle/plain.pdiparams", [InputSpec([5, 5, 3])], "expected picture [?, 3, 6, 6] float32"),
        ("paddle", "paddle/one.pdiparams", [InputSpec([6, 6, 3])], "was saved for batches of 1 only"),
        (
            "paddle",
            "paddle",
            TWO,
            "is a folder; expected the file of a program, such as",
        ),
        ("paddle", "paddle/missing.json", TWO, "no such file; paddle.jit.save writes"),
        ("paddle", "paddle/plain.pdparams", TWO, "Paddle saves weights and programs"),
        ("paddle", "keras/plain.keras", TWO, "the TensorFlow model is the first target"),
    ],
)
def test_saved_programs_say_what_they_take(
    build: Build, saved: Path, framework: str, target: str, inputs: list[InputSpec], says: str
) -> None:
    with pytest.raises(WorkerError, match=re.escape(says)):
        build(framework, str(saved / target), inputs, "float32")
