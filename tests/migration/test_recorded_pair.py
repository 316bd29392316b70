"""Two models put together by their values: which arrays are made of which, and what has no counterpart."""

import functools
import math
from collections.abc import Mapping

import numpy as np
import pytest

from parity.catalogue.targets import TargetError
from parity.migration.align.alignment import MOST_WALKS, Forced, best_alignment, disagreements
from parity.migration.align.found import Alignment, Parting, UnitPair
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.verdict import decide
from parity.migration.specs import FIRST, SECOND, input_specs, model_specs
from parity.numerics.arrays import Arrays
from parity.workers.errors import WorkerError
from parity.workers.pool import Workers
from tests.migration.pairs import PAIRS
from tests.migration.verdicts import put_together

MODELS = f"{__name__.rpartition('.')[0]}.recorded_models"


def opened(workers: Workers, first: str, second: str, *inputs: str) -> RecordedPair:
    return RecordedPair(workers, model_specs(f"{MODELS}:{first}", f"{MODELS}:{second}", input_specs(list(inputs))))


def listed(workers: Workers, name: str) -> RecordedPair:
    """A pair of the table."""
    pair = next(pair for pair in PAIRS if pair.name == name)
    inputs = input_specs(list(pair.inputs), pair.options.get("tokens"))
    return RecordedPair(workers, model_specs(pair.tensorflow, pair.paddle, inputs))


def sources(pair: RecordedPair) -> dict[str, set[str]]:
    """Of each Paddle array, the TensorFlow arrays that it is made of."""
    return {
        name: {term.source for piece in pieces for term in piece.terms}
        for name, pieces in pair.alignment.pieces.items()
    }


def arrays(pair: RecordedPair) -> tuple[Arrays, Arrays]:
    return tuple(pair.workers[framework].read_arrays(pair.name) for framework in (FIRST, SECOND))  # type: ignore[return-value]


def assert_complete(pair: RecordedPair) -> None:
    """Every array of both models takes part, and no value parts from its counterpart."""
    assert pair.alignment.alone == ([], [])
    assert [parting for parting in pair.alignment.partings if not parting.rounding] == []
    assert set(pair.alignment.pieces) == set(pair.drawn(SECOND)) - set(pair.alignment.kept)
    used = {source for names in sources(pair).values() for source in names}
    assert used >= set(pair.drawn(FIRST))
    assert all(unit.certified for unit in pair.alignment.pairs)


def test_a_name_that_no_input_has_is_refused_with_those_that_they_have(workers: Workers) -> None:
    pair = opened(workers, "keras_scaled", "paddle_scaled", "rows=4")
    with pytest.raises(
        TargetError, match=r"^--input rows=\.\.\.: expected an input's name: \w+ \(TensorFlow\), input "
    ):
        pair.open()


def test_rows_behind_a_flatten(workers: Workers) -> None:
    """As VGG ends: the kernel's rows are in the order of the maps that were flattened."""
    pair = opened(workers, "keras_flatten", "paddle_flatten", "9,7,3")
    put_together(pair)
    assert_complete(pair)
    first, second = arrays(pair)
    rows = first["fc1/kernel"].reshape(4, 3, 5, 8).transpose(2, 0, 1, 3).reshape(60, 8)
    np.testing.assert_array_equal(second["6.weight"], rows)
    np.testing.assert_array_equal(second["8.weight"], first["fc2/kernel"])
    np.testing.assert_array_equal(second["0.weight"], first["conv1/kernel"].transpose(3, 2, 0, 1))


def test_features_that_become_maps(workers: Workers) -> None:
    """The columns of a kernel are in the order of the maps that its features become."""
    pair = opened(workers, "keras_reshaped", "paddle_reshaped", "6,6,2")
    sets = put_together(pair)
    assert_complete(pair)
    first, second = arrays(pair)
    columns = first["features/kernel"].reshape(5, 3, 3, 4).transpose(0, 3, 1, 2).reshape(5, 36)
    np.testing.assert_array_equal(second["features.weight"], columns)
    bias = first["features/bias"].reshape(3, 3, 4).transpose(2, 0, 1).ravel()
    np.testing.assert_array_equal(second["features.bias"], bias)
    assert decide(pair, sets).verdict == "equal"


def test_query_key_and_value_in_one_layer(workers: Workers) -> None:
    pair = listed(workers, "fused/attention")
    put_together(pair)
    assert_complete(pair)
    three = {f"attention/{name}/kernel" for name in ("query", "key", "value")}
    assert three in sources(pair).values()


def test_query_key_and_value_apart(workers: Workers) -> None:
    """Three layers of one form on one input: only what is made of them tells which is which."""
    pair = listed(workers, "attention/by-hand")
    put_together(pair)
    assert_complete(pair)
    made = [names for names in sources(pair).values() if len(names) == 1]
    for name in ("query", "key", "value"):
        assert made.count({f"attention/{name}/kernel"}) == made.count({f"attention/{name}/bias"}) == 1


@pytest.mark.parametrize("function", ["'sigmoid'", "'tanh'"])
def test_layers_alike_in_all_but_their_use(workers: Workers, function: str) -> None:
    """Taken in order or by name they would be wrong: the values decide."""
    pair = opened(workers, f"keras_gated({function})", f"paddle_gated({function})", "5")
    sets = put_together(pair)
    assert_complete(pair)
    assert sources(pair) == {
        "a.weight": {"gate/kernel"},
        "a.bias": {"gate/bias"},
        "b.weight": {"value/kernel"},
        "b.bias": {"value/bias"},
        "c.weight": {"out/kernel"},
        "c.bias": {"out/bias"},
    }
    assert decide(pair, sets).verdict == "equal"


def test_an_array_that_only_paddle_has(workers: Workers) -> None:
    """What lies around it is put together all the same, and its numbers are drawn so that it acts."""
    pair = opened(workers, "keras_gated", "paddle_gated(third=True)", "5")
    sets = put_together(pair)
    assert pair.alignment.alone == ([], ["factor"])
    assert sources(pair)["a.weight"] == {"gate/kernel"}
    assert sources(pair)["c.weight"] == {"out/kernel"}
    assert len(np.unique(arrays(pair)[1]["factor"])) == 6
    decided = decide(pair, sets)
    assert decided.verdict == "different"
    assert decided.witness is not None
    assert decided.witness.inputs.name == "drawn"


def test_an_array_that_only_tensorflow_has(workers: Workers) -> None:
    pair = listed(workers, "custom_layers/positions-missing")
    put_together(pair)
    assert len(pair.alignment.alone[0]) == 1
    assert pair.alignment.alone[0][0].startswith("positions/")
    assert pair.alignment.alone[1] == []


@pytest.mark.parametrize(("scale", "verdict"), [(1.0, "equal"), (1.01, "different")])
def test_a_buffer_whose_numbers_are_in_the_code_of_the_other_model_is_kept(
    workers: Workers, scale: float, verdict: str
) -> None:
    pair = opened(workers, "keras_table", f"paddle_table(scale={scale})", "5,4")
    sets = put_together(pair)
    if verdict == "equal":
        assert pair.alignment.kept == ["table"]
        assert pair.alignment.alone == ([], [])
        np.testing.assert_allclose(arrays(pair)[1]["table"][1], np.sin(np.arange(4, 8) / 3), rtol=1e-6)
    assert decide(pair, sets).verdict == verdict


def test_a_buffer_of_both_models_gets_the_same_numbers(workers: Workers) -> None:
    pair = listed(workers, "custom_layers/buffer")
    put_together(pair)
    assert_complete(pair)
    assert pair.alignment.kept == []


def test_both_models_get_other_weights_with_another_seed(workers: Workers) -> None:
    made = []
    for seed in (0, 1):
        pair = opened(workers, "keras_gated", "paddle_gated", "5")
        pair.seed = seed
        sets = put_together(pair)
        assert_complete(pair)
        assert decide(pair, sets).verdict == "equal"
        made.append(arrays(pair)[1]["a.weight"])
    assert not np.intersect1d(made[0], made[1]).size


def test_walking_again_keeps_the_weights_and_the_alignment(workers: Workers) -> None:
    pair = opened(workers, "keras_reshaped", "paddle_reshaped", "6,6,2")
    sets = put_together(pair)
    alignment, before = pair.alignment, arrays(pair)[1]
    walked = pair.walk_again(sets[1].arrays, traced=True)
    assert pair.alignment is alignment
    assert walked is not alignment
    assert [parting for parting in walked.partings if not parting.rounding] == []
    assert {step.kind for step in pair.graphs[FIRST].steps} >= {"conv", "dense", "conv_transpose", "activation"}
    for name, array in arrays(pair)[1].items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("framework", [FIRST, SECOND])
def test_an_array_that_lost_one_bit_is_named_and_the_pair_is_undecided(workers: Workers, framework: str) -> None:
    pair = listed(workers, "building/bias")
    inputs = put_together(pair)
    assert decide(pair, inputs[:1]).verdict == "equal"
    name, array = next(iter(workers[framework].read_arrays(pair.name).items()))
    array = array.copy()
    array.flat[0] = np.nextafter(array.flat[0], np.inf)
    workers[framework].write_arrays(pair.name, {name: array})
    assert pair.changed() == {FIRST: [], SECOND: []} | {framework: [name]}
    found = decide(pair, inputs[:1])
    assert found.verdict == "undecided"
    title = {FIRST: "TensorFlow", SECOND: "PaddlePaddle"}[framework]
    assert found.missing == [f"{name!r} of {title} holds other numbers than it was given"]


def test_a_difference_hides_no_other_and_spoils_nothing_behind_it(workers: Workers) -> None:
    pair = listed(workers, "attention/two-differences")
    sets = put_together(pair)
    walked = pair.walk_again(sets[0].arrays)
    apart = [parting for parting in walked.partings if not parting.rounding]
    assert len(apart) == 2
    assert all(unit.certified for unit in pair.alignment.pairs[-1:])


# The search alone: walks whose outcome is a function of what they must put together.


def parted(forced: Mapping[int, int], right: Mapping[int, int]) -> Alignment:
    """Two Paddle layers, each with a rival; a place that parts for each that is not put together as it should be."""
    own = {0: 0, 1: 1, **forced}
    wrong = [second for second, first in own.items() if right[second] != first]
    partings = [Parting((), second, -1, 0.1, "") for second in wrong]
    pairs = [UnitPair((first,), second, (), True, ((1 - first,),)) for second, first in own.items()]
    return Alignment(pairs=pairs, partings=partings)


def noted(seen: list[Mapping[int, int]], right: Mapping[int, int], forced: Forced) -> Alignment:
    seen.append({second: first for second, (first,) in forced.items()})
    return parted(seen[-1], right)


def test_layers_are_exchanged_until_nothing_parts_and_no_longer() -> None:
    for right, walks in (({0: 0, 1: 1}, 1), ({0: 1, 1: 1}, 3), ({0: 1, 1: 0}, 3)):
        seen: list[Mapping[int, int]] = []
        best = best_alignment(functools.partial(noted, seen, right))
        assert disagreements(best) == 0
        assert len(seen) <= walks
        assert parted(seen[-1], right) == best  # the last walk is the one that counts: workers hold its values


def test_the_search_ends_where_no_exchange_helps() -> None:
    walks = 0

    def walk(forced: Forced) -> Alignment:
        nonlocal walks
        walks += 1
        pairs = [UnitPair((index,), index, (), False, tuple((rival,) for rival in range(100))) for index in range(100)]
        return Alignment(pairs=pairs, partings=[Parting((), 0, -1, math.inf, "")])

    assert disagreements(best_alignment(walk)) == 1
    assert walks <= MOST_WALKS + 1


def test_a_pair_goes_on_after_a_worker_died() -> None:
    """The numbers of the values are those of the run before, so that what was found of them still holds."""
    with Workers(device="cpu", threads=1) as own:
        pair = listed(own, "wiring/gate-missing")
        sets = put_together(pair)
        before = pair.walk_again(sets[0].arrays, traced=True)
        own[SECOND].kill()
        with pytest.raises(WorkerError):
            pair.workers[SECOND].read_values(pair.name, [0])
        pair.recover()
        after = pair.walk_again(sets[0].arrays, traced=True)
        assert before.partings
        assert after.partings == before.partings
