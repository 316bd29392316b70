"""The user's own inputs: from files, functions and arrays; what is refused, and in which words."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.catalogue.targets import TargetError
from parity.catalogue.user_models import InputSpec
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.prove.inputs import InputSet
from parity.migration.prove.user_inputs import load_inputs, pair_inputs
from parity.migration.specs import model_specs
from parity.records.migrations import Migration
from parity.workers.pool import Workers

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
        (
            {"ids": np.full((2, 8), -1), "x": np.zeros((2, 8, 5))},
            "expected whole numbers from 0 to 99, found -1, the first such at [0, 0]",
        ),
        ({"ids": np.zeros((2, 8), int), "x": np.full((2, 8, 5), 1e39)}, "'x': holds numbers too large for float32"),
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
        (Path("nowhere"), "no such file"),
        ("no_such_module_of_inputs:draw", "ModuleNotFoundError"),
        ("sys:exit(3)", "SystemExit: 3"),
        ("model.keras", "expected a .npz file or package.module:callable"),
        ("numbers", "expected package.module:callable"),
    ],
)
def test_what_gives_no_inputs_is_refused(text: str | Path, says: str) -> None:
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


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_text("1 2 3")
    with pytest.raises(TargetError, match=r"expected a \.npz file, as numpy.savez writes it"):
        load_inputs(path)


def test_their_form_is_that_of_the_arrays(tmp_path: Path) -> None:
    arrays = {"ids": np.array([[3, 0], [7, 1]]), "mask": np.ones((2, 2), bool), "x": np.zeros((2, 4, 3))}
    specs, own = pair_inputs(None, None, arrays)
    assert [str(spec) for spec in specs] == ["ids=2:int:8", "mask=2:bool", "x=4,3"]
    assert own is not None
    assert (own.name, own.typical, own.count) == ("your inputs", True, 2)
    assert {name: array.dtype for name, array in own.arrays.items()} == {"ids": "int64", "mask": "bool", "x": "float32"}
    assert [spec.tokens for spec in pair_inputs([], 50, arrays)[0]] == [50, None, None]
    np.savez(tmp_path / "own.npz", np.zeros((2, 3)), np.zeros((2, 4)))
    assert [str(spec) for spec in pair_inputs(None, None, tmp_path / "own.npz")[0]] == ["3", "4"]
    assert [str(spec) for spec in pair_inputs(None, None, {"anything": np.zeros((2, 3))})[0]] == ["3"]


def test_ids_that_the_shape_does_not_limit_are_limited_by_the_users() -> None:
    specs, _ = pair_inputs("ids=2:int", None, {"ids": np.array([[3, 0], [70, 1]])})
    assert specs[0].tokens == 71
    specs, _ = pair_inputs(["ids=2:int", "mask=2:int"], None, {"ids": np.full((1, 2), 5), "mask": np.ones((1, 2), int)})
    assert [spec.is_mask for spec in specs] == [False, True]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"x": np.zeros((0, 3))}, "'x': expected the shape [n, ...], n at least 1, found [0, 3]"),
        ({"x": np.array(1.0)}, "n at least 1, found []"),
        ({"x": np.array(["a"])}, "'x': expected numbers, found an array of dtype <U1"),
        ({"x": [[1, 2], [3]]}, "'x': expected an array of numbers"),
        ({}, "expected an array for each input, found none"),
        ({"x": np.array([[-1, 2]])}, "expected whole numbers from 0 to 2, found -1"),
    ],
)
def test_a_form_that_nobody_can_see_is_refused(given: Any, says: str) -> None:
    with pytest.raises(TargetError, match=re.escape(says)):
        pair_inputs(None, None, given)


def test_neither_a_shape_nor_inputs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--input: found none; expected SHAPE.*or --inputs FILE\.npz"):
        pair_inputs(None)


CLIP, MASKS = "tests.migration.own_inputs", "tests.migration.pairs.masks"


def test_a_difference_on_the_users_inputs_alone_is_a_witness(workers: Workers) -> None:
    """A clip at 1000, which no designed input reaches; in the second batch of many."""
    rows = np.zeros((100, 4), np.float32)
    rows[:, 1] = np.linspace(1, 2, 100)

    def compared(rows: np.ndarray | None) -> Migration:
        specs, own = pair_inputs("4", None, None if rows is None else {"x": rows})
        pair = RecordedPair(workers, model_specs(f"{CLIP}:keras_net", f"{CLIP}:paddle_net", specs), user_inputs=own)
        migration = compare_pair(pair)
        pair.forget()
        return migration

    without, same = compared(None), compared(rows)
    assert without.verdict == "equal"
    assert same.verdict == "equal"
    assert same.impact is not None
    assert (same.impact.inputs, same.impact.title, same.impact.changed) == (100, "your inputs", 0)
    assert same.proofs[1].compared["sets of inputs"] == without.proofs[1].compared["sets of inputs"] + 1
    rows[80, 1] = 5000
    other = compared(rows)
    assert other.verdict == "different"
    assert any("your inputs, 64 to 99: outputs differ" in line for line in other.proofs[1].problems)
    assert other.causes
    assert other.impact is not None
    assert other.impact.inputs == 100


def own_rows(workers: Workers, first: str, second: str, form: str, rows: np.ndarray) -> Migration:
    """A comparison with the user's own inputs."""
    specs, own = pair_inputs(form, None, {"x": rows})
    return compare_pair(RecordedPair(workers, model_specs(first, second, specs), user_inputs=own), impact=False)


def test_a_number_that_stands_for_padding_is_not_moved_by_rounding(workers: Workers) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 8, 3)).astype(np.float32)
    rows[1:, 5:] = -9.0
    migration = own_rows(workers, f"{MASKS}:tensorflow_marked(-9.0)", f"{MASKS}:paddle_marked(None)", "8,3", rows)
    assert migration.verdict == "different"
    assert any("your inputs" in line for proof in migration.proofs for line in proof.problems), migration.proofs


def test_own_inputs_on_which_rounding_decides_leave_it_open(workers: Workers) -> None:
    """Halves that one model rounds up and the other to the even number."""
    rows = np.random.default_rng(0).integers(-9, 9, (4, 6)).astype(np.float32) / 2
    migration = own_rows(workers, f"{CLIP}:keras_rounded", f"{CLIP}:paddle_rounded", "6", rows)
    assert migration.verdict == "undecided"
    assert any("your own inputs show nothing" in line for proof in migration.proofs for line in proof.problems)


def test_a_name_that_no_model_has_is_refused(workers: Workers) -> None:
    specs, own = pair_inputs("rows=4", None, {"rows": np.zeros((2, 4))})
    pair = RecordedPair(workers, model_specs(f"{CLIP}:keras_net", f"{CLIP}:paddle_net", specs), user_inputs=own)
    with pytest.raises(TargetError, match=r"'rows' in --inputs: expected an input's name: "):
        compare_pair(pair)
