"""The transfer layer: layouts mean what they say, every fault of a state is named, files are whole or refused."""

import json
import math
import resource
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.weights.files import load_state, save_state
from parity.weights.initializers import proof_state, training_state
from parity.weights.layout import SAME, Layout
from parity.weights.state import Entry, State, StateError, all_finite, check_state, digest, parameter_counts
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers

small = st.integers(1, 4)


def numbered(*shape: int, dtype: str = "float32") -> np.ndarray:
    """0, 1, 2, ...: no two elements alike, so that none can be mistaken for another."""
    return np.arange(math.prod(shape), dtype=dtype).reshape(shape)


def assert_same_bits(actual: State, expected: State) -> None:
    assert set(actual) == set(expected)
    for name, array in expected.items():
        assert actual[name].shape == array.shape, name
        assert actual[name].dtype == array.dtype, name
        assert actual[name].tobytes() == array.tobytes(), name


@given(out=small, into=small, height=small, width=small)
def test_oihw_element_by_element(out: int, into: int, height: int, width: int) -> None:
    stored = numbered(out, into, height, width)
    canonical = Layout("OIHW").read(stored)
    assert canonical.shape == (height, width, into, out) == Layout("OIHW").canonical_shape(stored.shape)
    for o, i, h, w in np.ndindex(stored.shape):
        assert canonical[h, w, i, o] == stored[o, i, h, w]


@given(c=small, h=small, w=small, out=small)
def test_chw_rows_element_by_element(c: int, h: int, w: int, out: int) -> None:
    stored = numbered(c * h * w, out)
    layout = Layout("CHW rows", (c, h, w))
    canonical = layout.read(stored)
    assert canonical.shape == stored.shape == layout.canonical_shape(stored.shape)
    for ci, hi, wi in np.ndindex(c, h, w):
        assert canonical[(hi * w + wi) * c + ci].tolist() == stored[(ci * h + hi) * w + wi].tolist()


@given(out=small, into=small, width=small)
def test_kernels_of_sequences_are_those_of_maps_of_one_row(out: int, into: int, width: int) -> None:
    stored = numbered(out, into, width)
    canonical = Layout("OIK").read(stored)
    np.testing.assert_array_equal(canonical, Layout("OIHW").read(stored[:, :, None]))
    np.testing.assert_array_equal(canonical, Layout("row").read(np.ascontiguousarray(stored.transpose(2, 1, 0))))


def test_shared_axes_are_left_out() -> None:
    for stored, canonical in (((1, 1, 3), (3,)), ((1, 1, 1), (1,)), ((3,), (3,)), ((4, 1, 3), (4, 1, 3))):
        assert Layout("shared").canonical_shape(stored) == canonical


@given(c=small, h=small, w=small, out=small)
def test_chw_rows_commute_with_flattening(c: int, h: int, w: int, out: int) -> None:
    """The rule's purpose: a kernel behind HWC-flattened maps gives what the stored one gives behind CHW ones."""
    maps, stored = numbered(h, w, c, dtype="float64"), numbered(c * h * w, out, dtype="float64")
    canonical = Layout("CHW rows", (c, h, w)).read(stored)
    np.testing.assert_array_equal(maps.reshape(-1) @ canonical, maps.transpose(2, 0, 1).reshape(-1) @ stored)


@given(st.data())
def test_write_undoes_read_and_read_undoes_write(data: st.DataObject) -> None:
    c, h, w, out = (data.draw(small) for _ in range(4))
    rows: tuple[Layout, tuple[int, ...]] = (Layout("CHW rows", (c, h, w)), (c * h * w, out))
    others: list[tuple[Layout, tuple[int, ...]]] = [
        (SAME, (c, h)),
        (SAME, (c,)),
        (Layout("OIHW"), (out, c, h, w)),
        (Layout("OIDHW"), (out, c, h, w, 2)),
        (Layout("OIK"), (out, c, w)),
        (Layout("row"), (w, c, out)),
        (Layout("depthwise"), (h, w, c, out)),
        (Layout("OIHW 1x1"), (out, c, 1, 1)),
        (Layout("OIHW 1x1"), (out, c, 1)),
        (Layout("HWIO 1x1"), (1, 1, c, out)),
        (Layout("HWIO 1x1"), (1, c, out)),
        (Layout("shared"), (1, 1, out)),
        (Layout("heads"), (c, h, w)),
        (Layout("heads"), (h, w)),
        (Layout("heads out"), (h, w, out)),
        (Layout("CHW rows", (c, h, w)), (c * h * w,)),
        (Layout("transposed"), (out, c)),
        (Layout("rzc"), (3 * out,)),
        (Layout("rzc transposed"), (3 * out, c)),
    ]
    layout, shape = data.draw(st.sampled_from([*others, rows]))
    stored = numbered(*shape)
    again = np.full_like(stored, -1)
    layout.write(layout.read(stored), again)
    np.testing.assert_array_equal(again, stored)
    canonical = numbered(*layout.canonical_shape(shape))
    layout.write(canonical, again)
    np.testing.assert_array_equal(layout.read(again), canonical)


def test_gates_element_by_element() -> None:
    """Stored reset, update, candidate; canonically update, reset, candidate."""
    assert Layout("rzc").read(numbered(6)).tolist() == [2, 3, 0, 1, 4, 5]
    matrix = Layout("rzc transposed").read(numbered(6, 2))
    assert matrix.tolist() == [[4, 6, 0, 2, 8, 10], [5, 7, 1, 3, 9, 11]]
    assert Layout("transposed").read(numbered(2, 3)).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_two_arrays_that_are_stored_as_one_leave_each_other_alone() -> None:
    stored = numbered(2, 3)
    assert Layout("second row").read(stored).tolist() == [3, 4, 5]
    Layout("first row").write(np.array([7, 8, 9], np.float32), stored)
    assert stored.tolist() == [[7, 8, 9], [3, 4, 5]]


def test_read_is_a_copy_that_later_training_does_not_change() -> None:
    for layout, shape in ((SAME, (3,)), (Layout("OIHW"), (2, 1, 1, 1)), (Layout("CHW rows", (1, 2, 1)), (2, 2))):
        stored = numbered(*shape)
        canonical = layout.read(stored)
        before = canonical.copy()
        stored[...] = -1
        np.testing.assert_array_equal(canonical, before)


def test_write_takes_a_view_in_any_memory_order() -> None:
    kernel = numbered(4, 3, 5, 5).transpose(2, 3, 1, 0)  # HWIO, not contiguous
    stored = np.empty((4, 3, 5, 5), np.float32)
    Layout("OIHW").write(kernel, stored)
    np.testing.assert_array_equal(stored, numbered(4, 3, 5, 5))


@pytest.mark.parametrize(
    ("layout", "stored", "canonical"),
    [
        (Layout("OIHW"), (4, 3, 5, 5), (5, 5, 4, 3)),  # in and out swapped
        (Layout("OIHW"), (4, 3, 5, 7), (7, 5, 3, 4)),  # height and width swapped
        (SAME, (2, 3), (3, 2)),
        (SAME, (6,), (2, 3)),
        (SAME, (1, 3), (3,)),  # no squeeze
        (SAME, (3, 3), (1, 3)),  # no broadcast
        (Layout("OIHW"), (4, 3, 5), (5, 3, 4)),
        (Layout("OIK"), (4, 3), (3, 4)),
        (Layout("CHW rows", (3, 2, 2)), (13, 4), (13, 4)),
        (Layout("OIHW 1x1"), (4, 3, 2, 1), (3, 4)),
        (Layout("rzc"), (7,), (7,)),
        (Layout("rzc transposed"), (6, 4), (6, 4)),
        (Layout("first row"), (3, 4), (4,)),
    ],
    ids=str,
)
def test_shapes_that_do_not_correspond_are_refused_not_reshaped(
    layout: Layout, stored: tuple[int, ...], canonical: tuple[int, ...]
) -> None:
    memory = np.full(stored, 7, np.float32)
    with pytest.raises(StateError, match="does not correspond"):
        layout.write(np.zeros(canonical, np.float32), memory)
    assert (memory == 7).all()


@pytest.mark.parametrize(
    ("layout", "stored"),
    [
        (Layout("OIHW"), (4, 3, 5)),
        (Layout("depthwise"), (3, 3, 4)),
        (Layout("heads"), (4,)),
        (Layout("OIK"), (4, 3)),
        (Layout("CHW rows", (3, 2, 2)), (13, 4)),
        (Layout("transposed"), (4,)),
        (Layout("second row"), (4,)),
    ],
    ids=str,
)
def test_what_cannot_be_stored_in_a_layout_is_not_read(layout: Layout, stored: tuple[int, ...]) -> None:
    with pytest.raises(StateError, match=f"layout {layout.kind}: stored"):
        layout.read(np.zeros(stored, np.float32))


ENTRIES = [
    Entry("conv/kernel", (3, 3, 2, 4), "float32", True),
    Entry("conv/bias", (4,), "float32", True),
    Entry("bn/mean", (4,), "float32", False),
    Entry("bn/variance", (4,), "float32", False),
    Entry("fc/kernel", (4, 2), "float32", True),
    Entry("fc/bias", (2,), "float32", True),
]


def good_state() -> State:
    return proof_state(ENTRIES, seed=0)


def test_a_fitting_state_passes() -> None:
    check_state(good_state(), ENTRIES, receiver="the model")


def test_every_problem_is_listed_in_one_error() -> None:
    state = good_state()
    del state["conv/bias"]
    state["conv/biases"] = np.zeros(4, np.float32)
    state["conv/kernel"] = state["conv/kernel"].transpose(0, 1, 3, 2)
    state["bn/mean"] = state["bn/mean"].astype(np.float64)
    state["bn/variance"][1] = np.nan
    state["fc/bias"][0] = -np.inf
    twice = [*ENTRIES, ENTRIES[4]]
    with pytest.raises(StateError) as caught:
        check_state(state, twice, receiver="the model")
    message = str(caught.value)
    for line in (
        "the state does not fit the model (7 problems)",
        "duplicate in the model: 'fc/kernel' is the name of 2 arrays",
        "missing: 'conv/bias' (4,)",
        "extra: 'conv/biases' (4,)",
        "wrong shape: 'conv/kernel' expected (3, 3, 2, 4), found (3, 3, 4, 2)",
        "wrong dtype: 'bn/mean' expected float32, found float64",
        "not finite: 'bn/variance' holds 1 NaN or infinite values",
        "not finite: 'fc/bias' holds 1 NaN or infinite values",
    ):
        assert line in message


def _remove(state: State) -> None:
    del state["fc/bias"]


def _add(state: State) -> None:
    state["fc/scale"] = np.ones(2, np.float32)


def _reshape(state: State) -> None:
    state["fc/kernel"] = state["fc/kernel"].reshape(-1)


def _broadcast(state: State) -> None:
    state["fc/kernel"] = state["fc/kernel"][:1]


def _retype(state: State) -> None:
    state["fc/kernel"] = state["fc/kernel"].astype(np.float16)


def _nan(state: State) -> None:
    state["conv/kernel"][2, 2, 1, 3] = np.nan


def _cancelling_infinities(state: State) -> None:
    state["conv/kernel"][0, 0, 0, :2] = np.inf, -np.inf


@pytest.mark.parametrize("fault", [_remove, _add, _reshape, _broadcast, _retype, _nan, _cancelling_infinities])
def test_any_problem_alone_is_enough(fault: Callable[[State], None]) -> None:
    state = good_state()
    fault(state)
    with pytest.raises(StateError, match=r"\(1 problems\)"):
        check_state(state, ENTRIES, receiver="the model")


def test_a_model_without_arrays_fails() -> None:
    with pytest.raises(StateError, match="nothing to transfer"):
        check_state({}, [], receiver="the model")


def test_finite_numbers_whose_sum_overflows_are_finite() -> None:
    huge = np.full(100, np.finfo(np.float32).max, np.float32)
    assert all_finite(huge)
    assert all_finite(-huge)
    assert all_finite(np.array([np.finfo(np.float64).max] * 3))


@given(st.integers(0, 99), st.sampled_from([np.nan, np.inf, -np.inf]), st.booleans())
def test_one_bad_number_among_huge_ones_is_reported(index: int, bad: float, signs: bool) -> None:
    array = np.full(100, np.finfo(np.float32).max, np.float32)
    if signs:
        array[::2] *= -1
    array[index] = bad
    assert not all_finite(array)


def test_parameter_counts() -> None:
    assert parameter_counts(ENTRIES) == (72 + 4 + 4 + 4 + 8 + 2, 72 + 4 + 8 + 2)


def test_a_proof_state_hides_nothing() -> None:
    """No zero bias, no default statistics: a dropped bias or a swapped mean must change the outputs."""
    for name, array in good_state().items():
        assert (array != 0).all(), name
        assert len(np.unique(array)) == array.size, name
    assert (np.abs(good_state()["bn/variance"] - 1) > 1e-3).all()


def test_a_proof_state_holds_the_same_numbers_in_both_types() -> None:
    double = proof_state([Entry(e.name, e.shape, "float64", e.trainable) for e in ENTRIES], seed=0)
    for name, array in good_state().items():
        assert double[name].dtype == np.float64
        np.testing.assert_array_equal(double[name], array)


def test_a_drawn_array_depends_on_its_name_and_the_seed_only() -> None:
    assert_same_bits(proof_state(ENTRIES[::-1], seed=0), good_state())
    assert_same_bits(proof_state(ENTRIES[:1], 0), {"conv/kernel": good_state()["conv/kernel"]})
    assert digest(proof_state(ENTRIES, seed=1)) != digest(good_state())


@pytest.mark.parametrize("scheme", ["he_normal", "glorot_uniform", "torch"])
def test_initial_weights_have_the_published_spread(scheme: str) -> None:
    entries = [Entry("conv/kernel", (3, 3, 64, 128), "float32", True), Entry("conv/bias", (128,), "float32", True)]
    state = training_state(entries, scheme, seed=0)
    fan_in, fan_out = 9 * 64, 9 * 128
    deviation = {
        "he_normal": math.sqrt(2 / fan_in),
        "glorot_uniform": math.sqrt(2 / (fan_in + fan_out)),
        "torch": math.sqrt(1 / (3 * fan_in)),
    }[scheme]
    assert state["conv/kernel"].std() == pytest.approx(deviation, rel=0.01)
    assert bool(state["conv/bias"].any()) == (scheme == "torch")


def test_an_unknown_initialisation_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown initialisation 'xavier'; known: he_normal"):
        training_state(ENTRIES, "xavier", seed=0)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text("abc/1", min_size=1, max_size=6),
        st.tuples(st.sampled_from(["float32", "float64"]), st.lists(st.integers(0, 3), max_size=3)),
        max_size=4,
    )
)
def test_a_saved_state_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, kinds: dict[str, tuple[str, list[int]]]
) -> None:
    path = tmp_path_factory.mktemp("state") / "deeper" / "weights.safetensors"
    state = {name: np.random.default_rng(0).normal(size=shape).astype(dtype) for name, (dtype, shape) in kinds.items()}
    save_state(state, path)
    assert_same_bits(load_state(path), state)
    assert digest(load_state(path)) == digest(state)


def test_a_transposed_array_is_saved_as_what_it_shows(tmp_path: Path) -> None:
    view = numbered(2, 3, 4).transpose(2, 0, 1)
    save_state({"a": view}, tmp_path / "f")
    np.testing.assert_array_equal(load_state(tmp_path / "f")["a"], view)


def test_any_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_state({"a": numbered(3), "b": numbered(2)}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(StateError, match=r"weights\.safetensors: not a whole safetensors file"):
            load_state(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 a zip archive", b"\x80\x04 a pickle" * 9, b"\xff" * 64, struct.pack("<Q", 7) + b"no json"],
    ids=["empty", "zip", "pickle", "ones", "no json"],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"weights\.safetensors: not a whole safetensors file"):
        load_state(path)


def test_a_name_given_twice_in_the_header_is_refused(tmp_path: Path) -> None:
    """JSON allows it and parsers keep the last: the first array would silently be lost."""
    one = json.dumps({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    two = json.dumps({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]})
    header = f'{{"conv/bias":{one},"conv/bias":{two}}}'.encode()
    path = tmp_path / "double.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(StateError, match=r"double.safetensors: .*duplicate entries \['conv/bias'\]"):
        load_state(path)


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"nowhere.safetensors: no such file"):
        load_state(tmp_path / "nowhere.safetensors")
    with pytest.raises(StateError, match=str(tmp_path)):
        load_state(tmp_path)


def test_a_state_that_cannot_be_saved_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_state({"a": numbered(3)}, path)
    with pytest.raises(Exception, match=r"(?i)dtype|object"):
        save_state({"a": np.array([object()])}, path)
    assert_same_bits(load_state(path), {"a": numbered(3)})
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A real refusal by the system: files may not grow beyond 64 KiB while the large state is written."""
    path = tmp_path / "weights.safetensors"
    save_state({"a": numbered(3)}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))  # Python ignores SIGXFSZ, so writing raises
    try:
        with pytest.raises(Exception, match=r"(?i)large|os error"):
            save_state({"a": numbered(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_same_bits(load_state(path), {"a": numbered(3)})
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_a_target_that_cannot_be_replaced_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").mkdir()
    with pytest.raises(OSError, match="directory"):
        save_state({"a": numbered(3)}, tmp_path / "weights.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_a_digest_does_not_depend_on_order_or_memory_layout() -> None:
    state = {"a": numbered(2, 3), "b": numbered(4)}
    again = {"b": numbered(4), "a": np.asfortranarray(numbered(2, 3))}
    assert digest(state) == digest(again)


@pytest.mark.parametrize(
    "other",
    [
        {"A": numbered(6)},
        {"a": numbered(6).astype(np.float64)},
        {"a": numbered(6).view(np.int32)},
        {"a": numbered(2, 3)},
        {"a": numbered(3, 2)},
        {"a": numbered(6)[::-1]},
        {"a": np.nextafter(numbered(6), 9, dtype=np.float32)},
        {"a": numbered(6), "b": np.zeros(0, np.float32)},
        {"a": numbered(6) * np.array([-1, 1, 1, 1, 1, 1], np.float32)},  # the sign of a zero
        {},
    ],
    ids=["name", "dtype", "same bits", "shape", "other shape", "order", "bits", "one more", "zero's sign", "none"],
)
def test_a_digest_changes_with(other: State) -> None:
    assert digest({"a": numbered(6)}) != digest(other)


def test_a_scalar_and_a_vector_of_one_have_different_digests() -> None:
    assert digest({"a": np.array(1, np.float32)}) != digest({"a": np.ones(1, np.float32)})


def model_entries(workers: Workers, network: str) -> list[Entry]:
    return workers["paddle"].describe(network).entries


@pytest.mark.parametrize("network", ["lenet5", "mini_inception"])
def test_both_frameworks_give_back_every_bit(workers: Workers, network: str) -> None:
    """lenet5 flattens 5x5 maps before its first fc, so its rows are permuted on the way in and back."""
    state = proof_state(model_entries(workers, network), seed=3)
    returned = workers.map(lambda worker: worker.round_trip(network, state))
    assert set(returned) == set(FRAMEWORKS)
    for back in returned.values():
        assert_same_bits(back, state)


def _unfit(state: State) -> State:
    del state["group1/conv/bias"]
    state["group2/conv/kernel"][4, 4, 5, 15] = np.nan
    state["head/fc2/kernel"] = state["head/fc2/kernel"].T.copy()
    state["head/fc3/bias"] = np.zeros(10, np.float32)
    state["head/fc1/bias"] = state["head/fc1/bias"].astype(np.float64)
    return state


def test_both_frameworks_refuse_a_bad_state_for_the_same_reasons(workers: Workers) -> None:
    state = _unfit(proof_state(model_entries(workers, "lenet5"), seed=3))
    reasons = []
    for framework in workers:
        with pytest.raises(WorkerError) as caught:
            workers[framework].round_trip("lenet5", state)
        assert caught.value.cause == "raised"
        _, _, listed = str(caught.value).partition("(5 problems):\n")
        reasons.append([line.strip() for line in listed.splitlines()][:5])
    assert reasons[0] == reasons[1]
    assert sorted(reasons[0]) == [
        "extra: 'head/fc3/bias' (10,)",
        "missing: 'group1/conv/bias' (6,)",
        "not finite: 'group2/conv/kernel' holds 1 NaN or infinite values",
        "wrong dtype: 'head/fc1/bias' expected float32, found float64",
        "wrong shape: 'head/fc2/kernel' expected (120, 84), found (84, 120)",
    ]


def test_a_refused_state_changes_nothing(expendable: Workers) -> None:
    """Nothing is written before everything was checked: only the last array of the last layer is bad."""
    entries = model_entries(expendable, "lenet5")
    good, bad = proof_state(entries, seed=3), proof_state(entries, seed=4)
    bad["head/logits/bias"][9] = np.nan
    for framework in expendable:
        expendable[framework].call("overwrite", network="lenet5", arrays=good)
        with pytest.raises(WorkerError, match="not finite: 'head/logits/bias'"):
            expendable[framework].call("overwrite", network="lenet5", arrays=bad)
        assert_same_bits(expendable[framework].call("held", network="lenet5").arrays, good)


def test_saved_weights_of_one_framework_are_the_other_ones(workers: Workers, tmp_path: Path) -> None:
    """Out of one framework, into a file, into the other one and out again: not a bit differs."""
    state = proof_state(model_entries(workers, "lenet5"), seed=5)
    out = workers["paddle"].round_trip("lenet5", state)
    save_state(out, tmp_path / "lenet5.safetensors")
    read = load_state(tmp_path / "lenet5.safetensors")
    back = workers["tensorflow"].round_trip("lenet5", read)
    assert digest(back) == digest(state)
    assert sorted(safetensors.numpy.load_file(tmp_path / "lenet5.safetensors")) == sorted(state)
