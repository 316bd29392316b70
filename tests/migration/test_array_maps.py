"""The maps that are proposed for two layers: the right one is among them, early, and each gives a whole array."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from parity.migration.align.array_maps import MOST_MAPS, Flattened, maps, sliced, stacked, turned
from parity.migration.align.array_roles import role
from parity.migration.align.joined_maps import joined
from parity.numerics.arrays import Arrays
from parity.weights.parts import Pieces, assembled

Shape = tuple[int, ...]


def drawn(shapes: Mapping[str, Shape], seed: int = 0) -> Arrays:
    draw = np.random.default_rng(seed)
    return {name: draw.normal(size=shape) for name, shape in shapes.items()}


def shapes_of(arrays: Arrays) -> dict[str, Shape]:
    return {name: array.shape for name, array in arrays.items()}


def made(pieces: Pieces, sources: Arrays, targets: Mapping[str, Shape]) -> Arrays:
    return {name: assembled(shape, pieces[name], sources.__getitem__) for name, shape in targets.items()}


def place(proposed: Iterator[Pieces], sources: Arrays, expected: Arrays) -> int:
    """How many maps are proposed before the one that gives the expected arrays."""
    for number, pieces in enumerate(proposed):
        own = made(pieces, sources, shapes_of(expected))
        if all(np.array_equal(own[name], array) for name, array in expected.items()):
            return number
    raise AssertionError("the right map is not proposed")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dense/kernel", "kernel"),
        ("fc.weight", "kernel"),
        ("words/embeddings", "kernel"),
        ("memory.cell.weight_ih", "kernel"),
        ("memory.weight_hh_l0_reverse", "recurrent"),
        ("memory/cell/recurrent_kernel", "recurrent"),
        ("memory.bias_ih_l0", "bias"),
        ("memory.bias_hh_l0", "recurrent_bias"),
        ("bn._variance", "variance"),
        ("norm/moving_mean", "mean"),
        ("scale_of_mine/temperature", "temperature"),
    ],
)
def test_roles(name: str, expected: str) -> None:
    assert role(name) == expected


@pytest.mark.parametrize(
    ("source", "order", "target"),
    [
        ((5, 7), (0, 1), (5, 7)),  # dense
        ((5, 7), (1, 0), (7, 5)),
        ((3, 4, 6), (2, 1, 0), (6, 4, 3)),  # convolutions
        ((3, 3, 4, 6), (3, 2, 0, 1), (6, 4, 3, 3)),
        ((2, 3, 4, 5, 6), (4, 3, 0, 1, 2), (6, 5, 2, 3, 4)),
        ((3, 3, 6, 4), (3, 2, 0, 1), (4, 6, 3, 3)),  # transposed: HWOI to IOHW
        ((3, 3, 4, 1), (2, 3, 0, 1), (4, 1, 3, 3)),  # depthwise
        ((3, 3, 4, 2), (2, 3, 0, 1), (8, 1, 3, 3)),  # with a multiplier
        ((8, 2, 4), (0, 1, 2), (8, 8)),  # of EinsumDense: [in, heads, size] to [in, out] and [out, in]
        ((8, 2, 4), (1, 2, 0), (8, 8)),
        ((2, 4, 8), (0, 1, 2), (8, 8)),
        ((2, 4, 8), (2, 0, 1), (8, 8)),
    ],
)
def test_kernels_in_their_usual_layouts_are_proposed_first(source: Shape, order: Sequence[int], target: Shape) -> None:
    sources = drawn({"layer/kernel": source, "layer/bias": (9,)})
    expected = {
        "layer.weight": sources["layer/kernel"].transpose(order).reshape(target),
        "layer.bias": sources["layer/bias"],
    }
    assert place(maps(shapes_of(sources), shapes_of(expected)), sources, expected) < 6


def test_a_square_kernel_is_proposed_both_ways() -> None:
    sources = drawn({"fc/kernel": (4, 4)})
    ways = [
        made(pieces, sources, {"fc.weight": (4, 4)})["fc.weight"]
        for pieces in maps({"fc/kernel": (4, 4)}, {"fc.weight": (4, 4)})
    ]
    np.testing.assert_array_equal(ways, [sources["fc/kernel"], sources["fc/kernel"].T])


def test_arrays_of_one_size_are_told_apart_by_their_roles() -> None:
    sources = drawn({f"norm/{name}": (5,) for name in ("gamma", "beta", "moving_mean", "moving_variance")})
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "_mean", "moving_variance": "_variance"}
    expected = {f"bn.{theirs}": sources[f"norm/{ours}"] for ours, theirs in reversed(names.items())}
    proposed = list(maps(shapes_of(sources), shapes_of(expected)))
    assert len(proposed) == 1
    assert place(iter(proposed), sources, expected) == 0


def test_arrays_of_unknown_names_are_proposed_in_every_pairing() -> None:
    sources = drawn({"mine/a": (5,), "mine/b": (5,), "mine/c": (5,)})
    for order in itertools.permutations(sources):
        expected = {name: sources[own] for name, own in zip(("x.p", "x.q", "x.r"), order, strict=True)}
        assert place(maps(shapes_of(sources), shapes_of(expected)), sources, expected) < 6


def test_other_numbers_of_arrays_or_other_sizes_have_no_map() -> None:
    assert list(maps({"a/kernel": (3, 4)}, {"a.weight": (3, 5)})) == []
    assert list(maps({"a/kernel": (3, 4), "a/bias": (4,)}, {"a.weight": (3, 4)})) == []
    assert list(turned((3, 4), (2, 5))) == []


def test_no_more_maps_than_are_worth_trying() -> None:
    shapes = {f"mine/{index}": (2, 3, 4) for index in range(6)}
    proposed = list(maps(shapes, {f"x.{index}": (24,) for index in range(6)}))
    assert len(proposed) == MOST_MAPS
    assert len({repr(pieces) for pieces in proposed}) == MOST_MAPS


@pytest.mark.parametrize("transposed", [False, True])
def test_rows_behind_a_flatten_follow_the_features(transposed: bool) -> None:
    height, width, channels, out = 2, 3, 4, 5
    sources = drawn({"fc/kernel": (24, out), "fc/bias": (out,)})
    rows = sources["fc/kernel"].reshape(height, width, channels, out).transpose(2, 0, 1, 3).reshape(24, out)
    expected = {"fc.weight": rows.T if transposed else rows, "fc.bias": sources["fc/bias"]}
    flattened = Flattened((height, width, channels), (2, 0, 1))
    assert place(maps(shapes_of(sources), shapes_of(expected), flattened), sources, expected) < 2


# Recurrent layers: `units` beside each other, one block a gate.


def blocks(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """The gates of the last axis in another order."""
    gates = np.split(array, len(order), axis=-1)
    return np.concatenate([gates[gate] for gate in order], axis=-1)


def recurrent(into: int, units: int, gates: int, bias: Shape | None, name: str = "memory/cell") -> dict[str, Shape]:
    shapes: dict[str, Shape] = {
        f"{name}/kernel": (into, gates * units),
        f"{name}/recurrent_kernel": (units, gates * units),
    }
    return shapes if bias is None else {**shapes, f"{name}/bias": bias}


@pytest.mark.parametrize(("into", "units"), [(3, 5), (4, 4)])
def test_gates_of_a_gru_with_two_biases(into: int, units: int) -> None:
    """Keras has z, r, h, Paddle r, z, h; with `reset_after` either has a bias of its own for the state."""
    sources = drawn(recurrent(into, units, 3, (2, 3 * units)))
    kernel, state, bias = sources.values()
    order = (1, 0, 2)
    expected = {
        "memory.weight_ih_l0": blocks(kernel, order).T,
        "memory.weight_hh_l0": blocks(state, order).T,
        "memory.bias_ih_l0": blocks(bias[0], order),
        "memory.bias_hh_l0": blocks(bias[1], order),
    }
    assert place(maps(shapes_of(sources), shapes_of(expected)), sources, expected) < 4


def lstm(sources: Arrays, auxiliary: np.ndarray, ending: str = "", name: str = "memory/cell") -> Arrays:
    """Paddle's arrays: its two biases add up to the one that Keras has."""
    return {
        f"memory.weight_ih_l0{ending}": sources[f"{name}/kernel"].T,
        f"memory.weight_hh_l0{ending}": sources[f"{name}/recurrent_kernel"].T,
        f"memory.bias_ih_l0{ending}": sources[f"{name}/bias"] - auxiliary,
        f"memory.bias_hh_l0{ending}": auxiliary,
    }


def test_the_second_bias_of_an_lstm_takes_part() -> None:
    sources = drawn({**recurrent(3, 5, 4, (20,)), "half": (20,)})
    expected = lstm(sources, sources["half"])
    own = {name: array.shape for name, array in sources.items() if name != "half"}
    assert place(maps(own, shapes_of(expected), None, "half"), sources, expected) == 0
    assert list(maps(own, shapes_of(expected))) == []  # nothing may be drawn for it


def test_a_recurrent_layer_of_one_bias_or_none() -> None:
    for bias in ((5,), None):
        sources = drawn(recurrent(3, 5, 1, bias))
        expected = {
            "cell.weight_ih": sources["memory/cell/kernel"].T,
            "cell.weight_hh": sources["memory/cell/recurrent_kernel"].T,
        }
        if bias:
            expected["cell.bias_ih"] = sources["memory/cell/bias"]
        assert place(maps(shapes_of(sources), shapes_of(expected)), sources, expected) < 4


@pytest.mark.parametrize("reverse_first", [False, True])
def test_both_directions_in_one_layer(reverse_first: bool) -> None:
    layers = [recurrent(3, 5, 4, (20,), name) for name in ("forward", "backward")]
    if reverse_first:
        layers.reverse()
    sources = drawn({**layers[0], **layers[1], "half0": (20,), "half1": (20,)})
    expected = lstm(sources, sources["half0"], "", "forward") | lstm(sources, sources["half1"], "_reverse", "backward")
    assert place(stacked(layers, shapes_of(expected), "half"), sources, expected) < 16


def test_layers_one_on_the_other_in_one_layer() -> None:
    layers = [recurrent(3, 5, 3, (2, 15), "one"), recurrent(5, 5, 3, (2, 15), "two")]
    sources = drawn({**layers[0], **layers[1]})
    order = (1, 0, 2)
    expected: Arrays = {}
    for number, name in enumerate(("one", "two")):
        expected |= {
            f"memory.weight_ih_l{number}": blocks(sources[f"{name}/kernel"], order).T,
            f"memory.weight_hh_l{number}": blocks(sources[f"{name}/recurrent_kernel"], order).T,
            f"memory.bias_ih_l{number}": blocks(sources[f"{name}/bias"][0], order),
            f"memory.bias_hh_l{number}": blocks(sources[f"{name}/bias"][1], order),
        }
    assert place(stacked(layers, shapes_of(expected)), sources, expected) < 16
    assert list(stacked(layers[:1], shapes_of(expected))) == []


# Attention: queries, keys and values in one kernel.

HEADS, SIZE, WIDTH = 2, 3, 8

PROJECTIONS: list[dict[str, Shape]] = [
    {f"attention/{name}/kernel": (WIDTH, HEADS, SIZE), f"attention/{name}/bias": (HEADS, SIZE)}
    for name in ("query", "key", "value")
]


@pytest.mark.parametrize("rows_first", [True, False])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_kernels_side_by_side(order: tuple[int, ...], interleaved: bool, rows_first: bool) -> None:
    """Whole projections side by side, or those of one head after those of another."""
    sources = drawn({name: shape for layer in PROJECTIONS for name, shape in layer.items()})
    kernels, biases = list(sources.values())[::2], list(sources.values())[1::2]
    axis = -1 if interleaved else -2
    kernel = np.concatenate([kernels[index] for index in order], axis=axis).reshape(WIDTH, -1)
    bias = np.concatenate([biases[index] for index in order], axis=axis).ravel()
    expected = {"qkv.weight": kernel if rows_first else kernel.T, "qkv.bias": bias}
    assert place(joined(PROJECTIONS, shapes_of(expected), (HEADS,)), sources, expected) < 12


def test_kernels_that_do_not_fit_side_by_side() -> None:
    assert list(joined(PROJECTIONS, {"qkv.weight": (WIDTH, 17), "qkv.bias": (17,)})) == []
    assert list(joined(PROJECTIONS, {"qkv.weight": (WIDTH, 18)})) == []  # a bias is left over
    recurrent_layers = [recurrent(3, 5, 4, (20,), name) for name in ("one", "two")]
    assert list(joined(recurrent_layers, {"x.weight": (3, 40), "x.bias": (40,)})) == []


@pytest.mark.parametrize("rows_first", [True, False])
def test_slices_of_a_fused_kernel(rows_first: bool) -> None:
    sources = drawn({"qkv/kernel": (8, 12), "qkv/bias": (12,)})
    shapes = shapes_of(sources)
    targets: dict[str, Shape] = {"q.weight": (8, 4) if rows_first else (4, 8), "q.bias": (4,)}
    for wanted in range(3):
        kernel = sources["qkv/kernel"][:, 4 * wanted : 4 * wanted + 4]
        expected = {
            "q.weight": kernel if rows_first else kernel.T,
            "q.bias": sources["qkv/bias"][4 * wanted : 4 * wanted + 4],
        }
        given = [(index, pieces) for count, index, pieces in sliced(shapes, targets, {}) if count == 3]
        right = [index for index, pieces in given if gives(pieces, sources, expected)]
        assert right == [wanted]


def gives(pieces: Pieces, sources: Arrays, expected: Arrays) -> bool:
    own = made(pieces, sources, shapes_of(expected))
    return all(np.array_equal(own[name], array) for name, array in expected.items())


def test_slices_that_others_have_are_left_out() -> None:
    shapes: dict[str, Shape] = {"qkv/kernel": (8, 12), "qkv/bias": (12,)}
    targets: dict[str, Shape] = {"q.weight": (8, 4), "q.bias": (4,)}
    left = {index for _, index, _ in sliced(shapes, targets, {"qkv/kernel": {0, 2}, "qkv/bias": {0}})}
    assert left == {1}
    assert list(sliced(shapes, {"q.weight": (8, 12), "q.bias": (12,)}, {})) == []  # that is no slice
    assert list(sliced(shapes, {"q.weight": (8, 5), "q.bias": (5,)}, {})) == []
