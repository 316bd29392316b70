"""The inputs on which pairs are compared."""

from typing import Any

import numpy as np
import pytest

from parity.catalogue.user_models import InputSpec
from parity.migration.prove.inputs import InputSet, designed_inputs, drawn_input

IDS, PICTURE, FEATURES = InputSpec([8], "ids", 100, "int"), InputSpec([6, 6, 3], "picture"), InputSpec([8, 5], "x")


def sets_of(*specs: InputSpec, **options: Any) -> dict[str, InputSet]:
    return {one.name: one for one in designed_inputs(specs, seed=3, **options)}


@pytest.mark.parametrize(
    "specs",
    [
        (IDS,),
        (PICTURE,),
        (FEATURES,),
        (InputSpec([3], tokens=1),),
        (InputSpec([1], tokens=2),),
        (InputSpec([4]), InputSpec([2])),
        (IDS, InputSpec([8], "mask", None, "bool"), InputSpec([], "length", 9, "int"), PICTURE),
        (FEATURES, InputSpec([8], "attention_mask", None, "int")),
        (InputSpec([6, 4, 4, 2]),),
        (InputSpec([3, 4], tokens=7),),
    ],
)
def test_every_set_has_inputs_of_every_form_and_no_set_comes_twice(specs: tuple[InputSpec, ...]) -> None:
    sets = designed_inputs(specs, seed=0)
    names = [one.name for one in sets]
    assert len(set(names)) == len(names)
    assert names[0] == "drawn"
    assert {one.count for one in sets} >= {1, 3, 4}
    for one in sets:
        assert one.why
        for spec, array in zip(specs, one.arrays.values(), strict=True):
            assert array.shape == (one.count, *spec.shape), one.name
            if spec.dtype == "bool":
                assert array.dtype == bool
            elif spec.whole:
                assert array.dtype == np.int64
                assert 0 <= array.min() <= array.max() < max(spec.limit, 2), one.name
            else:
                assert array.dtype == np.float32
                assert np.isfinite(array).all()


def test_inputs_are_the_same_for_one_seed_and_others_for_another() -> None:
    first, again, other = (designed_inputs([PICTURE], seed=seed)[0].arrays["picture"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_tokens_have_all_special_ids_and_padding_at_either_end() -> None:
    sets = sets_of(IDS)
    special, inside = (sets[name].arrays["ids"] for name in ("special ids", "ids of 0 inside"))
    assert all({1, 99} <= set(row) and 0 not in row for row in special.tolist())
    assert all(0 in row for row in inside.tolist())
    assert len({tuple(row) for row in (inside == 0).tolist()}) == len(inside)  # each time elsewhere
    assert not sets["ids of 0 inside"].typical
    ends = {name: (sets[f"padding at the {name}"].arrays["ids"] != 0) for name in ("end", "start")}
    assert [row.sum() for row in ends["end"]] == [row.sum() for row in ends["start"]] == [8, 4, 2, 1]
    assert all(row[: row.sum()].all() for row in ends["end"])
    assert all(row[-row.sum() :].all() for row in ends["start"])
    assert (sets["full and single"].arrays["ids"] != 0).sum(axis=1).tolist() == [8, 1]
    assert (sets["all padding"].arrays["ids"] != 0).sum(axis=1).tolist() == [8, 0]
    assert [set(row) for row in sets["equal tokens"].arrays["ids"].tolist()] == [{99}, {1}]
    assert "zeros" not in sets


def test_floats_are_zero_constant_large_and_small() -> None:
    sets = sets_of(PICTURE)
    assert {name: set(np.unique(sets[name].arrays["picture"])) for name in ("zeros", "ones", "minus ones")} == {
        "zeros": {0.0},
        "ones": {1.0},
        "minus ones": {-1.0},
    }
    assert 150 < np.abs(sets["large"].arrays["picture"]).max() < 200
    assert 1e-3 < np.abs(sets["small"].arrays["picture"]).max() < 2e-3
    assert "padding at the end" not in sets


def test_sequences_of_vectors_end_or_begin_with_zeros() -> None:
    sets = sets_of(FEATURES)
    real = (sets["padding at the end"].arrays["x"] != 0).any(axis=2)
    assert real.sum(axis=1).tolist() == [8, 4, 2, 1]
    assert all(row[: row.sum()].all() for row in real)
    assert (sets["padding at the start"].arrays["x"] != 0).any(axis=2)[1].tolist() == [False] * 4 + [True] * 4


def test_masks_and_lengths_say_what_is_padded() -> None:
    specs = (IDS, InputSpec([8], "mask", None, "bool"), InputSpec([], "length", 9, "int"), FEATURES)
    for name, one in sets_of(*specs).items():
        mask = one.arrays["mask"]
        if "padding" in name or name == "full and single":
            assert np.array_equal(one.arrays["ids"] != 0, mask), name
            assert np.array_equal((one.arrays["x"] != 0).any(axis=2), mask), name
            assert one.arrays["length"].tolist() == mask.sum(axis=1).tolist()
        elif name == "masks with holes":
            assert mask.any(axis=1).all()
            assert not mask.all(axis=1).all()
        else:
            assert mask.all()
            assert (one.arrays["length"] == 8).all()


def test_images_are_what_is_drawn_for_pictures() -> None:
    images = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)
    drawn = sets_of(PICTURE, images=images)["drawn"].arrays["picture"]
    assert drawn.shape == (4, 6, 6, 3)
    assert set(np.unique(drawn)) <= set(np.unique((images.astype(np.float32) / 255 - np.float32(0.5)) * 4))
    grey = drawn_input(InputSpec([4, 4, 1]), 2, np.random.default_rng(0), images)
    assert grey.shape == (2, 4, 4, 1)


def test_many_inputs_are_run_in_batches_without_losing_one() -> None:
    rows = np.arange(150 * 3).reshape(150, 3)
    one = InputSet("mine", {"x": rows, "y": rows[:, 0]}, "")
    parts = list(one.batches())
    assert [part.count for part in parts] == [64, 64, 22]
    assert np.array_equal(np.concatenate([part.arrays["x"] for part in parts]), rows)
    assert np.array_equal(np.concatenate([part.arrays["y"] for part in parts]), rows[:, 0])
    large = InputSet("images", {"x": np.zeros((20, 224, 224, 3), np.float32)}, "")
    assert [part.count for part in large.batches()] == [8, 8, 4]
    assert [part is few for few in designed_inputs([PICTURE], 0) for part in few.batches()] == [True] * 9
