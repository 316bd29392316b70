"""The checker is checked: what must fail fails, for the right reason, and what agrees raises no false alarm."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, Gap, compare, finite_gap, relative_gap
from parity.numerics.tolerance import FLOAT32_ROUNDING, derive_limits, perturb

Arrays = dict[str, np.ndarray]


def stages(seed: int = 0) -> Arrays:
    """Three stages of different shape and scale."""
    draw = np.random.default_rng(seed)
    return {
        "stem": draw.normal(size=(2, 4, 4, 3)),
        "block": draw.normal(size=(2, 2, 2, 3)) * 1e6,
        "logits": draw.normal(size=(2, 10)) * 1e-6,
    }


def changed(name: str, array: np.ndarray) -> Arrays:
    return stages() | {name: array}


def test_equal_stages_pass_and_everything_is_counted() -> None:
    comparison = compare(stages(), stages(), 1e-12)
    assert comparison.passed
    assert comparison.explain() == []
    assert comparison.elements == 96 + 24 + 20
    assert [gap.name for gap in comparison.gaps] == ["stem", "block", "logits"]
    assert [gap.elements for gap in comparison.gaps] == [96, 24, 20]
    assert all(gap.gap == 0 for gap in comparison.gaps)


@given(st.floats(1e-9, 1e-3), st.sampled_from(["stem", "block", "logits"]))
def test_the_gap_is_relative_to_the_scale_of_its_own_stage(size: float, name: str) -> None:
    reference, candidate = stages(), stages()
    scale = np.abs(reference[name]).max()
    candidate[name].flat[-1] += size * scale
    gap = next(gap for gap in compare(reference, candidate, 1.0).gaps if gap.name == name)
    assert gap.gap == pytest.approx(size, rel=1e-6)
    assert gap.scale == scale
    assert not compare(reference, candidate, size * 0.99).passed
    assert compare(reference, candidate, size * 1.01).passed


@pytest.mark.parametrize("side", ["reference", "candidate", "both"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf], ids=str)
def test_nans_and_infinities_always_fail(side: str, bad: float) -> None:
    """Even at the same index on both sides: two networks that both overflow prove nothing."""
    reference, candidate = stages(), stages()
    if side != "candidate":
        reference["block"].flat[5] = bad
    if side != "reference":
        candidate["block"].flat[5] = bad
    comparison = compare(reference, candidate, 1e30)
    assert not comparison.passed
    assert comparison.first_failure is not None
    assert comparison.first_failure.name == "block"
    assert comparison.worst is comparison.first_failure
    assert not math.isfinite(comparison.first_failure.gap)
    assert comparison.explain()


def test_a_stage_of_nans_only_fails() -> None:
    assert not compare(stages(), changed("logits", np.full((2, 10), np.nan)), 1e30).passed
    assert not compare(changed("logits", np.full((2, 10), np.nan)), stages(), 1e30).passed


def test_numbers_too_large_for_their_difference_fail() -> None:
    huge = {"a": np.array([1.5e308, 1.0])}
    assert not compare(huge, {"a": np.array([-1.5e308, 1.0])}, 1.0).passed


def test_a_missing_and_an_extra_stage_are_problems() -> None:
    fewer = {name: array for name, array in stages().items() if name != "block"}
    missing, extra = compare(stages(), fewer, 1.0), compare(fewer, stages(), 1.0)
    assert not missing.passed
    assert missing.problems == ("missing stage 'block'",)
    assert not extra.passed
    assert extra.problems == ("extra stage 'block'",)
    renamed = {"Block" if name == "block" else name: array for name, array in stages().items()}
    assert set(compare(stages(), renamed, 1.0).problems) == {"missing stage 'block'", "extra stage 'Block'"}


def test_an_empty_comparison_fails() -> None:
    for reference, candidate in (({}, {}), (stages(), {}), ({}, stages())):
        comparison = compare(reference, candidate, 1.0)
        assert not comparison.passed
        assert "nothing was compared" in comparison.problems
        assert comparison.elements == 0
        assert comparison.worst is None
        assert comparison.first_failure is None
    assert not Comparison((), ()).passed


@pytest.mark.parametrize("shape", [(0,), (0, 10), (2, 0, 3)], ids=str)
def test_an_empty_stage_fails(shape: tuple[int, ...]) -> None:
    comparison = compare(changed("logits", np.zeros(shape)), changed("logits", np.zeros(shape)), 1.0)
    assert not comparison.passed
    assert comparison.problems == (f"stage 'logits' is empty, shape {shape}: nothing to compare",)


def test_a_reference_that_is_zero_everywhere_proves_nothing() -> None:
    zeros = changed("block", np.zeros((2, 2, 2, 3)))
    both, one = compare(zeros, zeros, 1.0), compare(zeros, stages(), 1.0)
    assert not both.passed
    assert not one.passed
    assert both.problems == ("stage 'block' is zero everywhere: it proves nothing",)


def test_the_same_mean_is_not_enough() -> None:
    """A permuted tensor has the same mean, norm and sorted values."""
    permuted = stages()["stem"][..., ::-1]
    assert permuted.mean() == pytest.approx(stages()["stem"].mean())
    assert not compare(stages(), changed("stem", permuted), 1e-3).passed


def test_one_wrong_element_among_many_fails() -> None:
    large = {"a": np.random.default_rng(0).normal(size=100_000)}
    wrong = {"a": large["a"].copy()}
    wrong["a"][77_777] += 1e-5
    assert not compare(large, wrong, 1e-6).passed


@pytest.mark.parametrize(
    "wrong",
    [
        stages()["block"].reshape(4, 1, 2, 3),
        stages()["block"].reshape(2, -1),
        stages()["block"].transpose(0, 3, 1, 2),
        stages()["block"][:, :1],
        stages()["block"][:1],
        stages()["block"][0, 0, 0, 0],
        stages()["block"][None],
    ],
    ids=["reshaped", "flattened", "transposed", "cropped", "one image", "scalar", "one axis more"],
)
def test_another_shape_fails_and_is_never_broadcast(wrong: np.ndarray) -> None:
    comparison = compare(stages(), changed("block", wrong), 1e30)
    assert not comparison.passed
    assert comparison.problems == (f"stage 'block': expected shape (2, 2, 2, 3), found {wrong.shape}",)
    assert [gap.name for gap in comparison.gaps] == ["stem", "logits"]


def test_a_limit_of_nan_or_no_limit_fails_even_equal_stages() -> None:
    assert not compare(stages(), stages(), math.nan).passed
    limits = {"stem": 1.0, "block": math.nan, "logits": 1.0}
    comparison = compare(stages(), stages(), limits)
    assert comparison.first_failure is not None
    assert comparison.first_failure.name == "block"
    del limits["block"]
    assert not compare(stages(), stages(), limits).passed


def test_a_limit_of_zero_asks_for_equality() -> None:
    assert compare(stages(), stages(), 0.0).passed
    candidate = stages()
    candidate["stem"].flat[0] = np.nextafter(candidate["stem"].flat[0], np.inf)
    comparison = compare(stages(), candidate, 0.0)
    assert not comparison.passed
    assert comparison.worst is not None


def test_the_first_failure_is_the_first_in_the_order_of_the_reference() -> None:
    candidate = {name: array * (1 + 1e-6) for name, array in reversed(stages().items())}
    candidate["stem"] = stages()["stem"]
    comparison = compare(stages(), candidate, 1e-9)
    assert comparison.first_failure is not None
    assert comparison.first_failure.name == "block"
    assert comparison.explain()[-1].startswith("2 of 3 stages differ; the first is 'block': gap 1.00e-06")


def test_the_worst_gap_is_the_one_that_exceeds_its_own_limit_most() -> None:
    candidate = stages()
    candidate["stem"] = candidate["stem"] * (1 + 1e-4)
    candidate["logits"] = candidate["logits"] * (1 + 1e-6)
    comparison = compare(stages(), candidate, {"stem": 1e-3, "block": 1e-3, "logits": 1e-7})
    assert comparison.worst is not None
    assert comparison.worst.name == "logits"


def test_a_gap_that_is_no_number_is_worse_than_any_number() -> None:
    bad, large = Gap("bad", math.nan, 1.0, 1.0, 1), Gap("large", 1e200, 1e-12, 1.0, 1)
    for gaps in ((bad, large), (large, bad)):
        assert Comparison(gaps, ()).worst is bad
    unlimited = Gap("unlimited", 0.0, math.nan, 1.0, 1)
    assert Comparison((large, unlimited), ()).worst is unlimited
    assert not unlimited.passed


def test_float32_and_integer_stages_are_compared_in_float64() -> None:
    """uint8 differences would wrap around, and float32 ones would round away."""
    assert not compare({"a": np.array([0, 255], np.uint8)}, {"a": np.array([1, 254], np.uint8)}, 1e-3).passed
    exact = {"a": np.array([1.0, 0.1])}
    gap = compare(exact, {"a": exact["a"].astype(np.float32)}, 1e-6).gaps[0]
    assert gap.gap == abs(float(np.float32(0.1)) - 0.1)
    assert gap.passed
    assert gap.gap > FLOAT64_LIMIT


def test_no_limit_is_derived_from_nothing() -> None:
    with pytest.raises(ValueError, match="no perturbed run"):
        derive_limits(stages(), [])


def test_the_limit_grows_with_the_noise_and_not_with_the_scale() -> None:
    draw = np.random.default_rng(0)
    noise = {name: draw.normal(size=array.shape) * np.abs(array).max() for name, array in stages().items()}

    def limits(size: float, scale: float = 1.0) -> dict[str, float]:
        oracle = {name: array * scale for name, array in stages().items()}
        return derive_limits(oracle, [{name: oracle[name] + scale * size * noise[name] for name in oracle}])

    for name in stages():
        assert limits(1e-6)[name] > 1e-6
        assert limits(2e-6)[name] == pytest.approx(2 * limits(1e-6)[name], rel=1e-6)
        assert limits(1e-6, scale=1e3)[name] == pytest.approx(limits(1e-6)[name], rel=1e-6)


def test_every_stage_has_its_own_limit() -> None:
    run = stages()
    run["block"] = run["block"] * (1 + 1e-6)
    limits = derive_limits(stages(), [run])
    assert limits["stem"] == limits["logits"] == 0
    assert limits["block"] > 1e-6


def test_a_larger_network_or_fewer_false_alarms_widen_the_limit_slowly() -> None:
    oracle = stages()
    run = {name: array * (1 + 1e-7) for name, array in oracle.items()}
    strict, lax = (derive_limits(oracle, [run], odds)["stem"] for odds in (1e-12, 1e-3))
    assert lax < strict < 2 * lax
    more = derive_limits(oracle | {"more": np.ones(10**6)}, [run | {"more": np.ones(10**6)}])["stem"]
    assert derive_limits(oracle, [run])["stem"] < more < 2 * derive_limits(oracle, [run])["stem"]


@pytest.mark.parametrize("run", [0, 1], ids=["first run", "second run"])
@pytest.mark.parametrize("fault", ["nan", "infinite", "missing", "reshaped", "zero oracle"])
def test_a_limit_that_cannot_be_derived_passes_nothing(run: int, fault: str) -> None:
    """A twin that lacks a stage, or shapes it differently, is a failed proof and not a crash of the suite."""
    oracle, runs = stages(), [stages(), stages()]
    match fault:
        case "nan":
            runs[run]["block"].flat[3] = np.nan
        case "infinite":
            runs[run]["block"].flat[3] = np.inf
            oracle["block"].flat[3] = np.inf
        case "missing":
            del runs[run]["block"]
        case "reshaped":
            runs[run]["block"] = runs[run]["block"][:1]
        case "zero oracle":
            oracle["block"][...] = 0
    limits = derive_limits(oracle, runs)
    assert not compare(oracle, oracle, limits).passed
    assert not math.isfinite(limits["block"])
    assert math.isfinite(limits["stem"])


def chain(arrays: Arrays, dtype: type[np.floating]) -> Arrays:
    """Five matrix products with ReLU and a normalisation, every stage named, all of it in `dtype`."""
    x = arrays["x"].astype(dtype)
    outputs = {}
    for layer in range(5):
        x = x @ arrays[f"fc{layer}/kernel"].astype(dtype) + arrays[f"fc{layer}/bias"].astype(dtype)
        outputs[f"fc{layer}"] = x
        x = (x - arrays[f"bn{layer}/mean"].astype(dtype)) * arrays[f"bn{layer}/gamma"].astype(dtype)
        outputs[f"bn{layer}"] = x
        x = np.maximum(x, dtype(0))
        outputs[f"relu{layer}"] = x
    assert all(array.dtype == dtype for array in outputs.values())
    return outputs


def chain_arrays(seed: int) -> Arrays:
    draw = np.random.default_rng(seed)
    arrays = {"x": draw.normal(size=(8, 256))}
    for layer in range(5):
        arrays[f"fc{layer}/kernel"] = draw.normal(size=(256, 256)) * math.sqrt(2 / 256)
        arrays[f"fc{layer}/bias"] = draw.normal(size=256) * 0.1
        arrays[f"bn{layer}/mean"] = draw.normal(size=256) * 0.1
        arrays[f"bn{layer}/gamma"] = draw.uniform(0.5, 1.5, 256)
    return {name: array.astype(np.float32).astype(np.float64) for name, array in arrays.items()}


def chain_limits(seed: int) -> tuple[Arrays, dict[str, float]]:
    arrays = chain_arrays(seed)
    runs = [chain(perturb(arrays, np.random.default_rng([seed, run])), np.float64) for run in range(2)]
    oracle = chain(arrays, np.float64)
    return oracle, derive_limits(oracle, runs)


@pytest.mark.parametrize("seed", range(20))
def test_correct_float32_arithmetic_is_never_accused(seed: int) -> None:
    oracle, limits = chain_limits(seed)
    comparison = compare(oracle, chain(chain_arrays(seed), np.float32), limits)
    assert comparison.passed, comparison.explain()
    assert not compare(oracle, chain(chain_arrays(seed), np.float32), 1e-9).passed  # it did round


@pytest.mark.parametrize("seed", range(5))
def test_the_derived_limit_is_no_blank_cheque(seed: int) -> None:
    """Half precision, TF32-like mantissas and a wrong epsilon in one layer are all outside, from their stage on."""
    oracle, limits = chain_limits(seed)
    assert max(limits.values()) < 1e-4
    arrays = chain_arrays(seed)

    half = {name: array.astype(np.float16).astype(np.float64) for name, array in chain(arrays, np.float32).items()}
    first = compare(oracle, half, limits).first_failure
    assert first is not None
    assert first.name == "fc0"

    reduced = arrays | {"fc2/kernel": _mantissa(arrays["fc2/kernel"], bits=10)}
    first = compare(oracle, chain(reduced, np.float32), limits).first_failure
    assert first is not None
    assert first.name == "fc2"

    epsilon = arrays | {"bn1/gamma": arrays["bn1/gamma"] / math.sqrt(1 + 1e-3)}
    first = compare(oracle, chain(epsilon, np.float32), limits).first_failure
    assert first is not None
    assert first.name == "bn1"


def _mantissa(array: np.ndarray, bits: int) -> np.ndarray:
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(mantissa * 2.0 ** (bits + 1)) / 2.0 ** (bits + 1), exponent)


def test_a_perturbation_moves_every_number_by_about_a_rounding() -> None:
    arrays = chain_arrays(0)
    moved = perturb(arrays, np.random.default_rng(0))
    assert list(moved) == list(arrays)
    for name, array in arrays.items():
        relative = np.abs(moved[name] / array - 1)
        assert moved[name].dtype == np.float64
        assert (relative > 0).mean() > 0.99, name
        assert relative.max() < 300 * FLOAT32_ROUNDING, name
        if not name.endswith("/kernel"):
            assert relative.max() <= 4.01 * FLOAT32_ROUNDING, name


def test_a_kernel_is_perturbed_more_the_longer_its_sums_are() -> None:
    def spread(rows: int) -> float:
        ones = {"fc/kernel": np.ones((rows, 64))}
        return float(np.abs(perturb(ones, np.random.default_rng(0))["fc/kernel"] - 1).max())

    assert spread(4) < spread(64) < spread(1024)


def test_two_perturbations_differ_and_a_seed_repeats_one() -> None:
    arrays = {"x": np.ones(10)}
    one, two, again = (perturb(arrays, np.random.default_rng(seed))["x"] for seed in (0, 1, 0))
    assert (one != two).any()
    assert (one == again).all()


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_no_small_gap(odd: float) -> None:
    finite, spoilt = np.array([4.0, 2.0, 1.0]), np.array([4.0, odd, 1.0])
    for one, other in ((finite, spoilt), (spoilt, finite)):
        assert relative_gap(one, other) == math.inf
        assert finite_gap(one, other) == math.inf
    assert relative_gap(spoilt, spoilt) == math.inf
    assert finite_gap(spoilt, np.array([4.0, odd, 3.0])) == 0.5  # what else differs
    assert finite_gap(spoilt, np.array([odd, 2.0, 1.0])) == math.inf
    assert finite_gap(np.full(3, odd), np.full(3, odd)) == math.inf


def test_arrays_that_cannot_be_compared_are_infinitely_far_apart() -> None:
    for gap in (relative_gap, finite_gap):
        assert gap(np.ones(3), np.ones(3)) == 0
        assert gap(np.ones(3), np.ones((3, 1))) == math.inf
        assert gap(np.ones(0), np.ones(0)) == math.inf
