"""The user's own inputs: from files, functions and arrays; what is refused, and in which words."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.catalogue.targets import TargetError
from parity.catalogue.user_models import InputSpec
from parity.migration.inputs import InputSet
from parity.migration.user_inputs import load_inputs

IDS, FEATURES = InputSpec([8], "ids", 100, "int"), InputSpec([8, 5], "x")


def user_inputs(given: Any, specs: list[InputSpec]) -> InputSet:
    return load_inputs(given).checked(specs)


def test_the_users_own_come_from_a_file_or_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    ids, x = np.arange(16).reshape(2, 8), np.ones((2, 8, 5))
    np.savez("own.npz", x=x, ids=ids)
    np.save("x.npy", x)
    Path("own_inputs.py").write_text(
        "import numpy as np\n\nprint('loading')\n\ndef both(n=2):\n    print('drawing')\n"
        "    return np.zeros((n, 8), 'int32'), [[[1.5] * 5] * 8] * n\n"
    )
    own = user_inputs("own.npz", [IDS, FEATURES])
    assert list(own.arrays) == ["ids", "x"]
    assert (own.arrays["ids"].dtype, own.arrays["x"].dtype) == (np.int64, np.float32)
    assert np.array_equal(own.arrays["ids"], ids)
    assert user_inputs("x.npy", [InputSpec([8, 5])]).arrays["0"].shape == (2, 8, 5)
    called = user_inputs("own_inputs:both(n=3)", [IDS, FEATURES])
    assert called.count == 3
    assert called.name == "your inputs (own_inputs:both(n=3))"
    assert set(np.unique(called.arrays["x"])) == {1.5}


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"ids": np.zeros((2, 8), int)}, "expected arrays for 2 inputs (ids=8:int:100, x=8,5), found 'ids'"),
        ({"ids": np.zeros((2, 8), int), "y": np.zeros((2, 8, 5))}, "expected the names 'ids', 'x', found 'ids', 'y'"),
        ({"ids": np.zeros((2, 7), int), "x": np.zeros((2, 8, 5))}, "'ids': expected the shape [n, 8]"),
        ({"ids": np.zeros((0, 8), int), "x": np.zeros((2, 8, 5))}, "n at least 1, found [0, 8]"),
        ({"ids": np.zeros((3, 8), int), "x": np.zeros((2, 8, 5))}, "expected as many of each input, found 3 of 'ids'"),
        ({"ids": np.zeros((2, 8)), "x": np.zeros((2, 8, 5))}, "'ids': expected whole numbers, found an array of dtype"),
        ({"ids": np.full((2, 8), 100), "x": np.zeros((2, 8, 5))}, "expected whole numbers from 0 to 99, found 100"),
        ({"ids": np.zeros((2, 8), int), "x": np.full((2, 8, 5), np.nan)}, "'x': holds NaN or infinity, first at [0, 0"),
        (
            {"ids": np.zeros((2, 8), int), "x": np.full((2, 8, 5), "1")},
            "'x': expected numbers, found an array of dtype",
        ),
    ],
)
def test_inputs_of_another_form_are_refused(arrays: dict[str, np.ndarray], says: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(TargetError, match=re.escape(says)):
        user_inputs(str(tmp_path / "own.npz"), [IDS, FEATURES])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nowhere.npz", "no such file"),
        ("no_such_module_of_inputs:draw", "ModuleNotFoundError"),
        ("sys:exit(3)", "SystemExit: 3"),
        ("model.keras", "expected a .npz file or package.module:callable"),
        ("numbers", "expected package.module:callable"),
    ],
)
def test_what_gives_no_inputs_is_refused(text: str, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        user_inputs(text, [FEATURES])


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x=np.ones((2, 8, 5)))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TargetError, match="cannot be read"):
        user_inputs(str(path), [FEATURES])
    np.savez(path, x=np.array([{}], object))
    with pytest.raises(TargetError, match="cannot be read as arrays of numbers"):
        user_inputs(str(path), [FEATURES])
