"""Arrays that are put together by the numbers that both models have."""

import numpy as np

from parity.migration.own_weights.array_map import constant_partners, map_by_values
from parity.migration.own_weights.arrays import own_arrays, rounded

DRAW = np.random.default_rng(1)


def drawn(*shape: int) -> np.ndarray:
    return DRAW.normal(size=shape).astype(np.float32)


def test_axes_in_another_order_and_rows_of_flattened_maps() -> None:
    kernel, square, rows, bias = drawn(3, 3, 4, 5), drawn(6, 6), drawn(2 * 2 * 5, 7), drawn(5)
    first = {"kernel": kernel, "square": square, "rows": rows, "bias": bias}
    second = {
        "conv": kernel.transpose(3, 2, 0, 1),
        "linear": square.T,
        "fc": rows.reshape(2, 2, 5, 7).transpose(2, 0, 1, 3).reshape(20, 7),
        "bias": bias,
    }
    made = map_by_values(first, second)
    assert {name: pieces[0].terms[0].source for name, pieces in made.items()} == {
        "conv": "kernel",
        "linear": "square",
        "fc": "rows",
        "bias": "bias",
    }
    assert {one.state for one in own_arrays(made, first, second)} == {"same bits"}


def test_rounded_arrays_and_equal_ones_each_once() -> None:
    first = {"a": drawn(4, 3), "b": drawn(4, 3)}
    first["c"] = first["b"].copy()
    second = {"x": rounded(first["b"], "bfloat16"), "y": first["b"], "z": first["a"].T}
    made = map_by_values(first, second)
    assert sorted(pieces[0].terms[0].source for pieces in made.values()) == ["a", "b", "c"]
    assert made["z"][0].terms[0].source == "a"


def test_most_numbers_equal_is_enough_where_nothing_else_is_left_and_few_are_not() -> None:
    table = drawn(9, 4)
    changed = table.copy()
    changed[7] = np.nan
    assert map_by_values({"t": table}, {"w": changed})["w"][0].terms[0].source == "t"
    assert map_by_values({"t": table}, {"w": drawn(9, 4)}) == {}
    assert map_by_values({"t": table}, {"w": drawn(9, 5)}) == {}


def test_constants_are_partners_where_both_have_as_many() -> None:
    first = {"a": np.zeros(3), "b": np.zeros(3), "c": np.ones(3), "d": np.ones(2), "one": np.ones(1)}
    second = {"v": np.zeros(3), "w": np.zeros(3), "x": np.ones(3), "y": np.ones(3), "one": np.ones(1)}
    assert constant_partners(first, second) == {"v": "a", "w": "b"}
