"""Which of a model's inputs gets which tensor, and which tensors are in what it returns; with plain numpy arrays."""

import re
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from parity.catalogue.targets import PrecisionError, TargetError
from parity.catalogue.user_models import InputSpec
from parity.runtime.call_arguments import Parameters, assigned, parameters_of, ways
from parity.runtime.calling import Calling, build_running, candidates, flattened, running_callings, turned
from parity.runtime.program_signature import SignatureInput, check_signature, fits
from parity.runtime.user_models import BuildSpec


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ids": 1, "mask": 2}, {"ids": 1, "mask": 2}),
        ({"mask": 2, "ids": 1}, {"ids": 1, "mask": 2}),
        ({"tokens": 1, "mask": 2}, {"ids": 1, "mask": 2}),
        ({"mask": 2, "tokens": 1}, {"ids": 1, "mask": 2}),
        ({"a": 1, "b": 2, "c": 3}, {"ids": 1, "mask": 2, "kinds": 3}),
        ({"attention": 2, "ids": 1}, {"ids": 1, "mask": 2}),
        ([1, 2], {"ids": 1, "mask": 2}),
        ({"kinds": 3, "0": 1, "1": 2}, {"ids": 1, "mask": 2, "kinds": 3}),
    ],
)
def test_tensors_are_assigned_by_name_and_the_others_in_order(given: Any, expected: dict[str, int]) -> None:
    parameters = Parameters(["ids", "mask", "kinds"], 2, aliases={"attention": "mask"})
    assert assigned(given, parameters) == expected
    assert list(assigned(given, parameters)) == list(expected)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ids": 1}, "expected the inputs ids, mask, kinds (2 required), found ids"),
        ([], "found none"),
        ([1, 2, 3, 4], "found one without a name, one without a name"),
    ],
)
def test_too_few_and_too_many_are_refused(given: Any, says: str) -> None:
    with pytest.raises(TargetError, match=re.escape(says)):
        assigned(given, Parameters(["ids", "mask", "kinds"], 2))


def test_the_calls_that_signatures_leave_open() -> None:
    def plain(x: Any, y: Any, z: Any = None) -> None: ...
    def packed(inputs: Any, mask: Any = None, training: bool = False) -> None: ...
    def starred(*tensors: Any) -> None: ...

    one, two = {"a": 1}, {"a": 1, "b": 2}
    assert ways(two, parameters_of(plain)) == [((1, 2), {})]
    assert ways({"z": 3, "a": 1, "b": 2}, parameters_of(plain)) == [((1, 2), {"z": 3})]
    assert ways(one, parameters_of(packed, ("training",))) == [((1,), {})]
    assert ways(two, parameters_of(packed, ("training",))) == [((two,), {}), (([1, 2],), {}), ((1,), {"mask": 2})]
    assert ways({"a": 1, "mask": 2}, parameters_of(packed, ("training",)))[0] == ((1,), {"mask": 2})
    assert ways({"0": 1, "1": 2}, parameters_of(packed, ("training",)))[0] == (([1, 2],), {})
    assert ways(two, parameters_of(starred)) == [((1, 2), {})]


def test_what_is_returned_is_flattened_with_paths() -> None:
    @dataclass
    class Boxes:
        boxes: np.float64
        title: str

    point = namedtuple("point", "x y")
    a, b, c = np.float64(1), np.float64(2), np.float64(3)

    def paths(result: Any) -> list[tuple[str, float]]:
        return [(path, float(x)) for path, x in flattened(result, np.float64, np.float64)]

    assert paths(a) == [("", 1)]
    assert paths([a]) == [("0", 1)]
    assert paths((a, [b, None], {"logits": c})) == [("0", 1), ("1.0", 2), ("2.logits", 3)]
    assert paths(OrderedDict(z=a, a=b)) == [("z", 1), ("a", 2)]
    assert paths(point(a, b)) == [("x", 1), ("y", 2)]
    assert paths([Boxes(a, "boxes"), SimpleNamespace(scores=b, _cache=c)]) == [("0.boxes", 1), ("1.scores", 2)]
    assert paths([a, a, np.array(4.0), "text", 5]) == [("0", 1), ("1", 1), ("2", 4)]
    holder = SimpleNamespace(x=a)
    holder.itself = holder
    assert paths(holder) == [("x", 1)]
    assert paths(None) == []


def test_orders_of_axes_are_tried_from_the_likeliest_on() -> None:
    specs = [InputSpec([4, 4, 3], "x"), InputSpec([2], "y")]
    orders = candidates(specs, lambda one: [(0, 3, 1, 2), (0, 1, 2, 3)] if len(one.shape) == 3 else [(0, 1)])
    assert orders == [((0, 3, 1, 2), (0, 1)), ((0, 1, 2, 3), (0, 1))]
    arrays = {"y": np.zeros((5, 2)), "x": np.zeros((5, 4, 4, 3))}
    assert [array.shape for array in turned(arrays, specs, orders[0]).values()] == [(5, 3, 4, 4), (5, 2)]
    assert len(candidates([InputSpec([2, 2])] * 6, lambda one: [(0, 1, 2), (0, 2, 1)])) == 24


def test_only_what_runs_is_a_way_to_call_a_model() -> None:
    tried = []

    def run(calling: Calling) -> None:
        tried.append(calling)
        if calling.way == 0 or calling.axes == ((1,),):
            raise ValueError(f"axes {calling.axes}")

    spec = BuildSpec("a:b", [InputSpec([2])])
    callings = running_callings(spec, [((0,),), ((1,),), ((2,),)], lambda: 2, run)
    assert tried == []
    assert next(callings) == Calling(((0,),), 1)
    assert len(tried) == 2
    assert list(callings) == [Calling(((2,),), 1)]
    with pytest.raises(TargetError, match=re.escape("does not run on --input 2: ValueError: axes ((1,),)")):
        next(running_callings(spec, [((1,),)], lambda: 2, run))


def test_a_model_that_runs_in_float32_only_says_so() -> None:
    def build(spec: BuildSpec, dtype: str) -> str:
        if dtype not in spec.target:
            raise TargetError(f"not in {dtype}")
        return dtype

    def callings(model: str, spec: BuildSpec, dtype: str) -> Any:
        return iter([Calling(((0, 1),))])

    inputs = [InputSpec([2])]
    assert build_running(BuildSpec("a:float64", inputs), "float64", build, callings)[0] == "float64"
    with pytest.raises(PrecisionError, match=r"runs in float32, and not in float64: .*not in float64") as caught:
        build_running(BuildSpec("a:float32", inputs), "float64", build, callings)
    assert caught.value.precision == "float32"
    with pytest.raises(TargetError, match="not in float64") as other:
        build_running(BuildSpec("a:neither", inputs), "float64", build, callings)
    assert type(other.value) is TargetError


def test_saved_programs_are_held_to_their_signature() -> None:
    maps, ids = SignatureInput("maps", [None, 3, 8, -1], "float32"), SignatureInput("ids", [None, 5], "int64")
    first, same = (0, 3, 1, 2), (0, 1, 2, 3)
    assert fits(maps, InputSpec([8, 9, 3]), first)
    assert not fits(maps, InputSpec([8, 9, 3]), same)
    assert not fits(maps, InputSpec([8, 9, 3], tokens=9), first)
    assert fits(ids, InputSpec([5], tokens=9), (0, 1))
    assert not fits(ids, InputSpec([5]), (0, 1))
    spec = BuildSpec("file.json", [InputSpec([5], "ids", 9), InputSpec([8, 9, 3], "maps")])
    orders = [((0, 1), same), ((0, 1), first)]
    assert check_signature(spec, [maps, ids], orders) == orders[1:]
    with pytest.raises(TargetError, match=re.escape("expected maps [?, 3, 8, ?] float32; ids [?, 5] int64")):
        check_signature(spec, [maps, ids], orders[:1])
