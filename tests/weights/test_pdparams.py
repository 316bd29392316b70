"""Paddle's own files come back bit for bit; a file that asks for anything but arrays is refused by name."""

import codecs
import inspect
import io
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.weights import pdparams
from parity.weights.pdparams import WeightsError, read
from parity.weights.state import State

# Paddle cuts arrays of more than 2**30 - 1 bytes; here the same function of it cuts those of more than 99.
PADDLE = """
import inspect, math
import numpy as np
import paddle
from paddle.framework import io

class Net(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = paddle.nn.Conv2D(3, 4, 3)
        self.bn = paddle.nn.BatchNorm2D(4)
        self.fc = paddle.nn.Linear(4, 2)
        self.register_buffer("steps", paddle.to_tensor(7))
        self.register_buffer("short", paddle.rand([3]).astype("bfloat16"))

paddle.seed(1)
net = Net()
for tensor in net.state_dict().values():
    if tensor.dtype == paddle.float32:
        tensor.set_value(paddle.randn(tensor.shape))
state = net.state_dict()
numbers = {name: np.array(tensor) for name, tensor in state.items()}
np.savez("arrays.npz", **numbers)
paddle.save(state, "protocol4.pdparams")
paddle.save(state, "protocol3.pdparams", protocol=3)
paddle.save(state, "protocol2.pdparams", protocol=2)
first = next(iter(numbers))
paddle.save({**state, first: numbers[first]}, "tuples.pdparams")  # a dict of not only tensors goes another way
source = inspect.getsource(io._unpack_saved_dict)
assert source.count("2**30 - 1") == 1
io.math = math
exec(source.replace("2**30 - 1", "99"), vars(io))
paddle.save(state, "sliced.pdparams", protocol=2)
paddle.enable_static()
paddle.save(numbers, "static.pdparams")
"""

FORMS = ("protocol4", "protocol3", "protocol2", "tuples", "sliced", "static")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model's `.pdparams` files in every form, and its arrays as Paddle gives them."""
    folder = tmp_path_factory.mktemp("paddle")
    run = subprocess.run([sys.executable, "-c", PADDLE], cwd=folder, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return folder


def assert_same_bits(actual: State, expected: State) -> None:
    assert set(actual) == set(expected)
    for name, array in expected.items():
        assert type(actual[name]) is np.ndarray, name
        assert actual[name].shape == array.shape, name
        assert actual[name].dtype == array.dtype, name
        assert actual[name].tobytes() == array.tobytes(), name


def saved(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


class Call:
    """Pickles as a call: whoever unpickles it freely, calls it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


@pytest.mark.parametrize("form", FORMS)
def test_every_form_that_paddle_writes_comes_back_bit_for_bit(written: Path, form: str) -> None:
    with np.load(written / "arrays.npz") as file:
        arrays = dict(file)
    layers = {"conv": ["weight", "bias"], "bn": ["weight", "bias", "_mean", "_variance"], "fc": ["weight", "bias"]}
    assert set(arrays) == {f"{layer}.{name}" for layer in layers for name in layers[layer]} | {"steps", "short"}
    assert arrays["short"].dtype == np.uint16
    assert_same_bits(read(written / f"{form}.pdparams"), arrays)


def test_the_files_are_in_the_forms_they_are_named_for(written: Path) -> None:
    """Otherwise the test above would compare one form six times."""
    content = {form: (written / f"{form}.pdparams").read_bytes() for form in FORMS}
    assert [content[f"protocol{n}"][:2] for n in (2, 3, 4)] == [b"\x80\x02", b"\x80\x03", b"\x80\x04"]
    assert b"UnpackBigParamInfor@@" in content["sliced"]
    assert b"UnpackBigParamInfor@@" not in content["protocol2"]
    assert b"StructuredToParameterName@@" in content["protocol4"]
    assert b"StructuredToParameterName@@" not in content["tuples"] + content["static"]
    assert b"tuple" in content["tuples"]
    assert b"tuple" not in content["static"]


def test_paddle_is_not_imported_and_takes_what_was_read(written: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from parity.weights.pdparams import read\n"
        "state = read(Path(sys.argv[1])); assert 'paddle' not in sys.modules\n"
        "import numpy as np, paddle\n"
        "net = paddle.nn.Sequential(('fc', paddle.nn.Linear(4, 2)))\n"
        "net.set_state_dict({name: state[name] for name in ('fc.weight', 'fc.bias')})\n"
        "assert np.array_equal(net.fc.weight.numpy(), state['fc.weight'])\n"
    )
    command = [sys.executable, "-c", code, str(written / "protocol4.pdparams")]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_any_numbers_in_any_memory_order_come_back(tmp_path: Path, protocol: int) -> None:
    draw = np.random.default_rng(0)
    state: State = {
        dtype: draw.integers(0, 2, (2, 3)).astype(dtype)
        for dtype in ("bool", "int8", "int64", "uint16", "float16", ">f4", "float64", "complex64")
    }
    state |= {
        "fortran": np.asfortranarray(draw.normal(size=(2, 3, 4))),
        "scalar": np.array(2.5),
        "none": np.zeros((0, 3)),
    }
    content = OrderedDict(state) | {"number": np.float32(1.5)}
    path = saved(tmp_path / "numbers.pdparams", content, protocol)
    assert_same_bits(read(path), state | {"number": np.array(1.5, np.float32)})


def test_the_names_of_numpy_1_are_known(tmp_path: Path) -> None:
    content = pickle.dumps({"w": np.arange(3.0)}, 2)
    assert content.count(b"numpy._core.multiarray") == 1
    path = tmp_path / "old.pdparams"
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert_same_bits(read(path), {"w": np.arange(3.0)})


def test_bytes_that_python_2_wrote_as_text_are_known(tmp_path: Path) -> None:
    numbers = np.array([1.5, -2.5])
    dtype = Call(np.dtype, "f8", state=(3, "<", None, None, None, -1, -1, 0))
    content = {
        "w": Call(_blank(), np.ndarray, (0,), b"b", state=(1, (2,), dtype, False, numbers.tobytes().decode("latin1")))
    }
    assert_same_bits(read(saved(tmp_path / "python2.pdparams", content)), {"w": numbers})


def _blank() -> Callable[..., Any]:
    """numpy's `_reconstruct`, wherever this numpy has it."""
    return np.zeros(1).__reduce__()[0]  # type: ignore[return-value]


def _from_buffer() -> Callable[..., Any]:
    """What numpy calls for an array of protocol 5."""
    return np.zeros(1).__reduce_ex__(5)[0]  # type: ignore[return-value]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_command_is_refused_by_name_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    path = saved(tmp_path / "evil.pdparams", {"w": np.zeros(1), "x": Call(os.system, f"touch '{trace}'")}, protocol)
    with pytest.raises(
        WeightsError, match=rf"evil\.pdparams: refused: it asks for '{os.name}\.system'; a state dict needs"
    ):
        read(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists()  # the file does run a command where it is trusted


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (eval, "builtins.eval"),
        (getattr, "builtins.getattr"),
        (object, "builtins.object"),
        (np.load, "numpy.load"),
        (np.frombuffer, "numpy._core.multiarray.frombuffer|numpy.frombuffer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_any_other_function_is_refused_by_name(tmp_path: Path, function: Callable[..., Any], name: str) -> None:
    """`eval` among them, by which Paddle itself writes a DenseTensor."""
    path = saved(tmp_path / "evil.pdparams", {"w": Call(function, "1")})
    with pytest.raises(WeightsError, match=f"evil.pdparams: refused: it asks for '({name})'"):
        read(path)


def test_something_outside_the_file_is_refused(tmp_path: Path) -> None:
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return "elsewhere" if isinstance(obj, np.ndarray) else None

    stream = io.BytesIO()
    Pickler(stream).dump({"w": np.zeros(1)})
    path = tmp_path / "parts.pdparams"
    path.write_bytes(stream.getvalue())
    with pytest.raises(WeightsError, match=r"parts\.pdparams: refused: it asks for something outside the file"):
        read(path)


def test_an_object_array_that_claims_to_hold_none_is_not_made(tmp_path: Path) -> None:
    """numpy itself takes the eight bytes for a pointer and crashes."""
    dtype = Call(np.dtype, "O8", False, True, state=(3, "|", None, None, None, -1, -1, 0))
    array = Call(_blank(), np.ndarray, (0,), b"b", state=(1, (1,), dtype, False, b"A" * 8))
    with pytest.raises(WeightsError, match=r"pointer\.pdparams: entry 'w': an array of type 'O8'"):
        read(saved(tmp_path / "pointer.pdparams", {"w": array}))


def _nested() -> np.ndarray:
    array = np.empty(2, object)
    array[:] = [np.zeros(2), [1, "a"]]
    return array


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (_nested(), "an array of type 'O8'"),
        (("linear_0.w_0", _nested()), "an array of type 'O8'"),
        (np.array(["a"]), "an array of type 'U1'"),
        (np.zeros(2, [("x", "f4")]), "an array of type 'V4'"),
        ({"w": np.zeros(1)}, "a value of type dict"),
        ([np.zeros(1)], "a value of type list"),
        ((1, np.zeros(1)), "a value of type tuple"),
        (("a", np.zeros(1), 2), "a value of type tuple"),
        (3.0, "a value of type float"),
        (None, "None"),
        (np.dtype("f4"), "a value of type type"),
        (Call(_blank(), np.ndarray, (0,), b"b"), "an array without a type"),
        (Call(_blank(), np.ndarray, (0,), b"b", state=(1, (1,), np.dtype("f4"), False, [1])), "an array without data"),
        (
            Call(_blank(), np.ndarray, (0,), b"b", state=(1, (2, 1 << 40), np.dtype("f4"), False, b"1234")),
            r"4 bytes for an array \(2, 1099511627776\) of float32",
        ),
        (Call(_blank(), np.ndarray, (0,), b"b", state=(1, (-1, -1), np.dtype("f4"), False, b"1234")), "negative"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_that_is_no_array_of_numbers_is_named(tmp_path: Path, value: object, description: str) -> None:
    path = saved(tmp_path / "mixed.pdparams", {"good": np.zeros(1), "bad": value})
    with pytest.raises(WeightsError, match=f"mixed.pdparams: entry 'bad': {description}.*paddle.save"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "found no arrays"),
        ({"StructuredToParameterName@@": {}}, "found no arrays"),
        ([np.zeros(1)], "found a value of type list"),
        (np.zeros(1), "found a value of type array"),
        ({1: np.zeros(1)}, "found a value of type int as a name"),
        ({"UnpackBigParamInfor@@": [1]}, "entry 'UnpackBigParamInfor@@': a value of type list"),
        (
            {"w@@.0": np.zeros(2), "UnpackBigParamInfor@@": {"w": {"slices": ["w@@.0", "w@@.1"], "OriginShape": (4,)}}},
            "entry 'w': no 'w@@.1'",
        ),
        (
            {"w@@.0": np.zeros(2), "UnpackBigParamInfor@@": {"w": {"slices": ["w@@.0"], "OriginShape": (4,)}}},
            r"entry 'w': cannot reshape array of size 2 into shape \(4,\)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_content_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(WeightsError, match=f"other.pdparams: {message}.*paddle.save"):
        read(saved(tmp_path / "other.pdparams", content))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (Call(codecs.encode, "1234", "rot13"), r"bytes as \('rot13',\)"),
        (Call(_from_buffer(), b"1234", np.dtype("f4"), (1,), "K", (0,)), "memory order 'K'"),
    ],
    ids=["encoding", "memory order"],
)
def test_a_form_that_is_not_known_is_not_guessed(tmp_path: Path, call: Call, message: str) -> None:
    with pytest.raises(WeightsError, match=rf"form\.pdparams: not readable as a pickle \(ValueError: {message}\)"):
        read(saved(tmp_path / "form.pdparams", {"w": call}))


@pytest.mark.parametrize("form", [FORMS[0], *(pytest.param(form, marks=pytest.mark.slow) for form in FORMS[1:])])
def test_any_truncation_is_refused(written: Path, tmp_path: Path, form: str) -> None:
    path = tmp_path / "cut.pdparams"
    whole = (written / f"{form}.pdparams").read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"cut\.pdparams: not readable as a pickle"):
            read(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 a zip archive", b"no pickle\n", b"\xff" * 64, b"."],
    ids=["empty", "zip", "text", "ones", "stop"],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pdparams"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"other\.pdparams: not readable as a pickle .*paddle\.save"):
        read(path)


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pdparams: No such file or directory; expected a \.pdparams file"):
        read(tmp_path / "nowhere.pdparams")
    with pytest.raises(WeightsError, match=f"{tmp_path}: Is a directory"):
        read(tmp_path)


def test_nothing_admitted_is_more_than_a_container_or_of_this_module() -> None:
    for name, admitted in pdparams.ADMITTED.items():
        assert admitted in (tuple, list, dict, set) or inspect.getmodule(admitted) is pdparams, name


DEEP = b")" + b"\x85" * 1_000_000  # a tuple in a tuple in a tuple


@pytest.mark.parametrize(
    "content",
    [
        b"}" + DEEP + b"Ns.",
        b"}(" + DEEP + b"Nu.",
        b"(" + DEEP + b"Nd.",
        b"\x8f(" + DEEP + b"\x90.",
        b"(" + DEEP + b"\x91.",
        b"cbuiltins\nset\n(](" + DEEP + b"etR.",
        b"cbuiltins\ndict\n(](](" + DEEP + b"NeetR.",
        b"ccollections\nOrderedDict\n(](](" + DEEP + b"NeetR.",
        b"}\x8c\x15UnpackBigParamInfor@@}\x8c\x01w}(\x8c\x06slices](" + DEEP + b"euss.",
    ],
    ids=["item", "items", "dict", "set", "frozenset", "set called", "dict called", "OrderedDict", "slices"],
)
def test_nothing_that_is_nested_deeply_is_hashed(tmp_path: Path, content: bytes) -> None:
    """In a process of its own, which would otherwise be killed by SIGSEGV."""
    path = tmp_path / "deep.pdparams"
    path.write_bytes(b"\x80\x04" + content)
    code = "import sys; from pathlib import Path; from parity.weights.pdparams import read; read(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(path)]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120)
    assert run.returncode == 1, run.returncode
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("parity.weights.pdparams.WeightsError")
    assert "a tuple as a name" in last or "a slice of it" in last


@pytest.mark.parametrize(
    "target", [b"c_codecs\nencode\n", b"cbuiltins\nset\n", b"ccollections\nOrderedDict\n", b"cnumpy\nndarray\n"]
)
def test_a_file_cannot_change_what_it_is_read_with(tmp_path: Path, target: bytes) -> None:
    path = tmp_path / "state.pdparams"
    path.write_bytes(b"\x80\x04" + target + b"N}\x8c\x0c__defaults__Ns\x86b.")
    with pytest.raises(WeightsError, match=r"a state for something that is no array"):
        read(path)


def test_a_shape_is_a_row_of_numbers(tmp_path: Path) -> None:
    """Python multiplies a tuple by a number, to as many members as memory holds."""
    shape = (1 << 40, (1,))
    array = Call(_blank(), np.ndarray, (0,), b"b", state=(1, shape, np.dtype("f4"), False, b"1234"))
    with pytest.raises(WeightsError, match="entry 'w': an array whose shape is no row of numbers"):
        read(saved(tmp_path / "shape.pdparams", {"w": array}))
