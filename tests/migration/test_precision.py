"""Pairs that have no float64, compared in the precision that they have."""

from itertools import pairwise

import numpy as np
import pytest

from parity.catalogue.user_models import InputSpec, ModelSpec
from parity.migration.align.closeness import Closeness, coarsest
from parity.migration.align.pair_alignment import align
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.inputs import designed_inputs
from parity.migration.prove.verdict import PairVerdict, decide
from parity.workers.pool import Workers

MODULE = "tests.migration.pairs."


def aligned(workers: Workers, first: str, second: str, shape: list[int], dtype: str = "float64") -> RecordedPair:
    inputs = [InputSpec(shape)]
    targets = {"tensorflow": MODULE + first, "paddle": MODULE + second}
    pair = RecordedPair(workers, {name: ModelSpec(target, inputs, dtype=dtype) for name, target in targets.items()})
    pair.open()
    align(pair, designed_inputs(inputs, 0)[0].arrays)
    return pair


def verdict(pair: RecordedPair, *, training: bool = False) -> PairVerdict:
    return decide(pair, designed_inputs(pair.specs["tensorflow"].inputs, 0), training=training)


@pytest.mark.parametrize(
    ("first", "second", "shape", "precision", "expected"),
    [
        ("volumes:tensorflow_segmentation", "volumes:paddle_segmentation", [4, 6, 6, 2], "float32", "equal"),
        (
            "volumes:tensorflow_segmentation",
            "volumes:paddle_segmentation('average')",
            [4, 6, 6, 2],
            "float32",
            "different",
        ),
        ("precision:tensorflow_scaled", "precision:paddle_scaled", [8], "bfloat16", "equal"),
        ("precision:tensorflow_scaled", "precision:paddle_scaled(relu=False)", [8], "bfloat16", "different"),
        ("precision:tensorflow_scaled('float16')", "precision:paddle_scaled(dtype='float16')", [8], "float16", "equal"),
    ],
)
def test_a_pair_without_float64_gets_its_verdict_in_the_precision_that_it_has(
    workers: Workers, first: str, second: str, shape: list[int], precision: str, expected: str
) -> None:
    pair = aligned(workers, first, second, shape)
    found = verdict(pair)
    assert (found.verdict, pair.precision) == (expected, precision)
    assert {spec.dtype for spec in pair.specs.values()} == {"float32"}
    assert found.remarks[0].startswith(f"compared in {precision} only")
    assert found.remarks[1].startswith("TensorFlow: ")
    assert len(found.remarks) == (2 if precision == "float32" else 3)
    assert "float64" in found.remarks[1]


def test_limits_are_those_of_rounding_and_a_difference_above_them_is_seen(workers: Workers) -> None:
    same, other = (
        aligned(workers, "volumes:tensorflow_classifier", f"volumes:paddle_classifier{given}", [6, 7, 8, 2], "float32")
        for given in ("", "(epsilon=1.1e-4)")
    )
    assert same.precision == "float32"
    assert not same.forced
    limits = [one.gap.limit for one in verdict(same).outcomes]
    assert max(limits) < 1e-4
    assert min(limits) >= 8 * 2.0**-24
    assert verdict(same).verdict == "equal"
    assert verdict(other).verdict == "different"


def test_training_is_left_out_and_that_is_said(workers: Workers) -> None:
    pair = aligned(workers, "volumes:tensorflow_classifier", "volumes:paddle_classifier", [6, 7, 8, 2], "float32")
    found = verdict(pair, training=True)
    assert (found.verdict, found.training) == ("undecided", None)
    assert "float64 only" in found.missing[0]


def test_numbers_of_half_precision_travel_as_float32(workers: Workers) -> None:
    pair = aligned(workers, "precision:tensorflow_scaled", "precision:paddle_scaled", [8])
    for worker, name in ((workers["tensorflow"], "scaled/scale"), (workers["paddle"], "scale")):
        array = np.linspace(0.5, 1.5, 8)
        worker.write_arrays(pair.name, {name: array})
        read = worker.read_arrays(pair.name)[name]
        assert read.dtype == np.float32
        assert 0 < np.abs(read / array - 1).max() <= 2.0**-8


def test_statistics_as_they_were_built_are_no_constants_of_the_other_model(workers: Workers) -> None:
    module = "normalisation:"
    pair = aligned(
        workers,
        module + "tensorflow_batch(epsilon=1e-5, scale=False, center=False)",
        module + "paddle_batch(epsilon=1e-5, learned=False)",
        [8, 8, 3],
    )
    assert not pair.alignment.kept
    assert verdict(pair).verdict == "equal"


def test_the_coarser_precision_decides() -> None:
    assert coarsest(["float32", "mixed_bfloat16"]) == "bfloat16"
    assert coarsest(["float64", "float32"]) == "float32"
    limits = [Closeness(name) for name in ("float64", "float32", "float16", "bfloat16")]
    for finer, coarser in pairwise(limits):
        for name in ("exact", "near", "order", "exact_order", "parting", "confirmed"):
            assert getattr(finer, name) <= getattr(coarser, name)
    assert all(one.rounding < one.exact < one.near < 1 for one in limits)
