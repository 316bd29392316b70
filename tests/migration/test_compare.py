"""Users' own models: traced, matched, proven, diagnosed, fixed. Small real models of both frameworks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parity.catalogue.targets import TargetError
from parity.catalogue.user_models import InputSpec, ModelSpec
from parity.data.dataset import Dataset
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import FLOAT64_LIMIT
from parity.numerics.tolerance import FLOAT32_ROUNDING
from parity.proofs.train_mode import GRADIENT_LIMIT
from parity.records.migrations import Migration
from parity.workers.pool import Workers
from tests.command_line import ROOT

KERAS, PADDLE = "tests.migration.keras_models", "tests.migration.paddle_models"


def pair_of(
    workers: Workers,
    dataset: Dataset | None,
    first: str,
    second: str,
    shape: tuple[int, ...] = (16, 16, 3),
    tokens: int | None = None,
    **options: Any,
) -> RecordedPair:
    inputs = [InputSpec(list(shape), tokens=tokens)]
    specs = {
        FIRST: ModelSpec(f"{KERAS}:{first}", inputs, **options),
        SECOND: ModelSpec(f"{PADDLE}:{second}", inputs, **options),
    }
    return RecordedPair(workers, specs, dataset)


def causes_of(migration: Migration) -> set[tuple[str, str]]:
    return {(cause.stage, cause.trap) for cause in migration.causes}


def test_a_gap_smaller_than_float32_shows_is_a_difference_where_a_number_closes_it(workers: Workers) -> None:
    """Keras's DenseNets have an epsilon of 1.001e-5, which moves outputs by less than float32 rounding."""
    migration = compare_pair(pair_of(workers, None, "normed(1.001e-5)", "normed()", (8, 8, 3)), impact=False)
    assert migration.verdict == "different"
    assert causes_of(migration) == {("norm", "bn-epsilon")}
    assert migration.fixed_verdict == "equal"


def test_a_cause_at_a_padding_is_marked_at_the_layer_behind_it_and_another_shape_is_said(workers: Workers) -> None:
    pair = pair_of(workers, None, "padded_before_a_pool()", "padded_before_a_pool()", (8, 8, 3))
    migration = compare_pair(pair, impact=False)
    assert {cause.stage for cause in migration.causes} == {"pad", "pool"}
    assert migration.marks == {"pad": "conv"}
    (pool,) = (stage for stage in migration.stages if stage.first == "pool")
    assert (pool.gap, pool.problem) == (None, "other shape: 2x2x4 in TensorFlow, 4x3x3 in Paddle")


def test_a_layer_that_keras_ran_at_build_is_hinted_at(workers: Workers) -> None:
    pair = pair_of(workers, None, "position_as_a_constant()", "Positions()", (9,), tokens=30)
    migration = compare_pair(pair, impact=False)
    assert migration.verdict == "different"
    assert any("a constant of as many numbers as place.weight" in line for line in migration.remarks)


def test_a_part_of_the_run_that_was_not_seen_leaves_it_undecided(workers: Workers) -> None:
    """The second layer's weights could not be moved: that the outputs differ says nothing."""
    migration = compare_pair(pair_of(workers, None, "hidden()", "left()", (8,)), impact=False)
    assert migration.verdict == "undecided"
    assert migration.causes == []
    assert any("code that leaves the framework (numpy)" in line for line in migration.proofs[1].problems)


@pytest.mark.parametrize(
    ("first", "second", "shape", "layers", "options"),
    [
        ("small()", "small()", (16, 16, 3), 7, {}),
        ("small", "small", (16, 16, 3), 7, {"classes": 7}),
        pytest.param("every_kind()", "every_kind()", (16, 16, 3), 16, {}, marks=pytest.mark.slow),
        ("up_again()", "up_again()", (8, 8, 3), 11, {}),
        ("words()", "words()", (7,), 4, {"tokens": 50}),
        ("signals()", "signals()", (20, 6), 11, {}),
        pytest.param("signals()", "signals(turned=True)", (20, 6), 11, {}, marks=pytest.mark.slow),
        pytest.param("signals(causal=True)", "signals(padding=[2, 0])", (20, 6), 11, {}, marks=pytest.mark.slow),
        ("sentences()", "sentences()", (9,), 9, {"tokens": 50}),
        pytest.param("bends()", "bends()", (6, 6, 2), 16, {}, marks=pytest.mark.slow),
        ("volumes()", "volumes()", (4, 6, 5, 2), 5, {}),
        ("normed()", "normed()", (8, 8, 3), 5, {}),
        ("transformer()", "transformer()", (16, 16, 3), 12, {}),
        ("nested()", "nested()", (8, 8, 3), 4, {}),
        pytest.param("nested()", "last()", (8, 8, 3), 4, {}, marks=pytest.mark.slow),
        ("padded()", "padded()", (8, 8, 3), 4, {}),
        ("functions()", "functions()", (8, 8, 3), 9, {}),
        pytest.param("functions(hard=True)", "functions(hard=True)", (8, 8, 3), 9, {}, marks=pytest.mark.slow),
        ("composed()", "composed()", (8, 8, 3), 7, {}),
        pytest.param("composed(single=True)", "composed()", (8, 8, 3), 7, {}, marks=pytest.mark.slow),
        ("shared()", "shared()", (8, 8, 3), 4, {}),
        ("twins()", "twins()", (8, 8, 3), 5, {}),
        ("unbuilt()", "nested()", (8, 8, 3), 4, {}),
    ],
)
def test_models_that_do_the_same_are_equal_in_training_too(
    workers: Workers,
    dataset: Dataset,
    first: str,
    second: str,
    shape: tuple[int, ...],
    layers: int,
    options: dict[str, Any],
) -> None:
    pair = pair_of(workers, dataset, first, second, shape, **options)
    migration = compare_pair(pair, training=True)
    assert migration.equal, migration
    assert not migration.causes
    assert [proof.level for proof in migration.proofs] == [1, 2, 3, 4, 5]
    assert all(all(proof.compared.values()) for proof in migration.proofs)
    assert len([stage for stage in migration.stages if stage.gap is not None]) >= layers
    trainable = [name for name, fact in pair.opened[FIRST].arrays.items() if fact["trainable"]]
    assert migration.proofs[4].compared["gradients"] == len(trainable)
    assert migration.parameters[FIRST] == migration.parameters[SECOND]


@pytest.mark.parametrize(
    ("first", "second", "stage", "trap", "says"),
    [
        ("small(epsilon=1e-3)", "small()", "norm", "bn-epsilon", "TensorFlow has 0.001, Paddle 1e-05"),
        ("small()", "small(padding=1)", "first", "same-pad", "0 above, 1 below, 0 left, 1 right"),
        ("small(activation='relu6')", "small()", "act", "act-other", "TensorFlow has relu6, Paddle relu"),
        pytest.param(
            "small(activation='tanh')",
            "small(act='Sigmoid')",
            "act",
            "act-other",
            "TensorFlow has tanh, Paddle sigmoid",
            marks=pytest.mark.slow,
        ),
        (
            "small(activation='leaky_relu')",
            "small(act='LeakyReLU')",
            "act",
            "act-default",
            "TensorFlow has 0.2, Paddle 0.01",
        ),
        pytest.param(
            "up_again()",
            "up_again(padding=1, output_padding=1)",
            "up",
            "same-pad",
            "Paddle 1 above, 0 below",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "transformer(epsilon=1e-3)",
            "transformer()",
            "norm1",
            "act-default",
            "TensorFlow has 0.001, Paddle 1e-05",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "bends()",
            "bends(softplus=2.0)",
            "softplus",
            "act-default",
            "TensorFlow has none, Paddle 2",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "bends()",
            "bends(last='Mish')",
            "log_sigmoid",
            "act-other",
            "TensorFlow has log_sigmoid, Paddle mish",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "signals()",
            "signals(padding=[2, 0])",
            "second",
            "same-pad",
            "Paddle 0 above, 0 below, 2 left, 0 right",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "signals()",
            "signals(exclusive=False)",
            "average",
            "avg-pool-exclusive",
            "TensorFlow has False, Paddle True",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "up_again(epsilon=1e-3)",
            "up_again()",
            "groups",
            "act-default",
            "TensorFlow has 0.001, Paddle 1e-05",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_difference_is_located_named_and_fixed(
    workers: Workers, dataset: Dataset, first: str, second: str, stage: str, trap: str, says: str
) -> None:
    shape = {"bends": (6, 6, 2), "signals": (20, 6), "up_again": (8, 8, 3)}.get(first.partition("(")[0], (16, 16, 3))
    migration = compare_pair(pair_of(workers, dataset, first, second, shape), impact=False)
    assert not migration.equal
    assert causes_of(migration) == {(stage, trap)}
    assert says in migration.causes[0].text
    assert (
        migration.causes[0].before > 1e-12 >= migration.causes[0].after or "do not show it" in migration.causes[0].text
    )

    pair = pair_of(workers, dataset, first, second, shape)
    fixed = compare_pair(pair, apply_fixes=True, training=True, impact=False)
    assert fixed.verdict == "different"  # as the models are
    assert fixed.fixed_verdict == "equal", fixed
    assert fixed.fixed
    assert fixed.changes == migration.changes != []


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_models_that_amplify_rounding_are_equal(workers: Workers, seed: int) -> None:
    """By more than the limits of levels 4 and 5: these follow from what rounding does to each model."""
    pair = pair_of(workers, None, "tower(40)", "tower(40)", (8,))
    pair.seed = seed
    migration = compare_pair(pair, training=True, impact=False)
    assert migration.equal, migration
    by_level = {proof.level: proof for proof in migration.proofs}
    assert by_level[2].limit == FLOAT64_LIMIT
    assert GRADIENT_LIMIT < (by_level[5].limit or 0.0) <= FLOAT32_ROUNDING


def test_a_difference_that_only_training_shows_is_one_where_training_is_compared(workers: Workers) -> None:
    first, second = "tower(3, momentum=0.99)", "tower(3)"
    inference = compare_pair(pair_of(workers, None, first, second, (8,)), impact=False)
    assert inference.equal, inference
    assert any("batch norm momentum" in line for line in inference.training)
    migration = compare_pair(pair_of(workers, None, first, second, (8,)), training=True, impact=False)
    assert migration.verdict == "different"
    assert {cause.trap for cause in migration.causes} == {"bn-momentum"}, migration.causes


def test_a_model_that_gives_other_outputs_in_training_is_undecided_there(workers: Workers) -> None:
    pairs = "tests.migration.pairs.outputs"
    specs = {
        FIRST: ModelSpec(f"{pairs}:tensorflow_auxiliary", [InputSpec([8])]),
        SECOND: ModelSpec(f"{pairs}:paddle_auxiliary", [InputSpec([8])]),
    }
    assert compare_pair(RecordedPair(workers, specs), impact=False).equal
    migration = compare_pair(RecordedPair(workers, specs), training=True, impact=False)
    assert migration.verdict == "undecided"
    said = [problem for proof in migration.proofs for problem in proof.problems]
    assert any(
        "in training mode the model gives 2 outputs of floating-point numbers, in inference 1" in one for one in said
    )


def test_an_epsilon_that_only_float64_shows_is_a_difference(workers: Workers) -> None:
    """A part in ten thousand of it: the gap is below float32's rounding, and the epsilon alone closes it."""
    migration = compare_pair(pair_of(workers, None, "tower(4, 1.0001e-5)", "tower(4)", (8,)), impact=False)
    assert migration.verdict == "different", migration
    assert [proof.passed for proof in migration.proofs] == [True, False, True]
    assert {cause.trap for cause in migration.causes} == {"bn-epsilon"}


def test_several_differences_are_all_named_though_the_first_changes_every_layer_after_it(
    workers: Workers, dataset: Dataset
) -> None:
    pair = pair_of(workers, dataset, "small(epsilon=1e-3, activation='tanh')", "small(padding=1)")
    migration = compare_pair(pair, impact=False)
    assert causes_of(migration) == {("first", "same-pad"), ("norm", "bn-epsilon"), ("act", "act-other")}
    assert [cause.stage for cause in migration.causes] == ["first", "norm", "act"]


def test_a_difference_that_no_input_can_show_is_a_remark(workers: Workers, dataset: Dataset) -> None:
    """A ReLU6 behind a sigmoid never reaches 6."""
    migration = compare_pair(pair_of(workers, dataset, "bounded()", "bounded()", (8, 8, 3)), impact=False)
    assert migration.equal, migration
    assert not migration.causes
    (line,) = migration.remarks
    assert line.startswith("act / ")
    assert line.endswith("the designed inputs do not show it")


def test_the_floor_of_paddles_log_softmax_is_a_remark(workers: Workers, dataset: Dataset) -> None:
    """Probabilities under 1e-27 are what no model is made for; which number it is and where is said."""
    migration = compare_pair(pair_of(workers, dataset, "bends('log_softmax')", "floor()", (6, 6, 2)), impact=False)
    assert migration.equal, migration
    assert any("log_softmax" in line and "TensorFlow has none, Paddle -64" in line for line in migration.remarks)
    assert any("on inputs of the kind 'large" in line for line in migration.remarks)


def test_a_missing_activation_is_named_and_left_to_the_user(workers: Workers, dataset: Dataset) -> None:
    migration = compare_pair(pair_of(workers, dataset, "small()", "bare()"), impact=False)
    assert not migration.equal
    assert ("act", "relu-missing") in causes_of(migration)
    assert any("act" in line for line in migration.by_hand)


def test_a_dropout_that_scales_in_inference_is_named_and_fixed(workers: Workers, dataset: Dataset) -> None:
    second = "small(mode='downscale_in_infer')"
    migration = compare_pair(pair_of(workers, dataset, "small()", second), impact=False)
    assert causes_of(migration) == {("drop", "dropout-mode")}
    assert not migration.equal
    assert migration.changes == ["in fc.2: nn.Dropout(p=0.4, mode='upscale_in_train')"]
    assert migration.fixed_verdict == "equal"


def test_a_bias_that_one_model_lacks_is_a_difference(workers: Workers, dataset: Dataset) -> None:
    migration = compare_pair(pair_of(workers, dataset, "small(bias=False)", "small()"), impact=False)
    assert migration.verdict == "different"
    assert not migration.proofs[0].passed
    (cause,) = migration.causes
    assert "conv.bias (8) exists in PaddlePaddle only" in cause.text


@pytest.mark.parametrize(("first", "second", "title"), [(True, False, "TensorFlow"), (False, True, "PaddlePaddle")])
def test_a_softmax_at_one_end_only_is_a_difference(
    workers: Workers, dataset: Dataset, first: bool, second: bool, title: str
) -> None:
    pair = pair_of(workers, dataset, f"nested(softmax={first})", f"nested(softmax={second})", (8, 8, 3))
    migration = compare_pair(pair)
    assert migration.verdict == "different"
    assert any("softmax" in cause.text and f"{title} only" in cause.text for cause in migration.causes)


def test_layers_that_structure_cannot_tell_apart_are_told_apart_by_values(workers: Workers, dataset: Dataset) -> None:
    migration = compare_pair(pair_of(workers, dataset, "twins()", "twins()", (8, 8, 3)), impact=False)
    assert migration.equal, migration
    partners = {stage.first: stage.second for stage in migration.stages}
    assert (partners["left"], partners["right"]) in (("one", "two"), ("two", "one"))


def test_an_array_that_only_one_model_has_is_a_difference(workers: Workers, dataset: Dataset) -> None:
    migration = compare_pair(pair_of(workers, dataset, "custom()", "nested()", (8, 8, 3)), impact=False)
    assert migration.verdict == "different"
    assert any("odd" in line for line in migration.proofs[0].problems)
    assert any("odd/scale (4) exists in TensorFlow only" in cause.text for cause in migration.causes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("recurrent()", "recurrent()"),
        pytest.param("recurrent('GRU')", "recurrent('GRU', outputs=True)", marks=pytest.mark.slow),
        pytest.param("recurrent('SimpleRNN', both=True)", "recurrent('SimpleRNN', both=True)", marks=pytest.mark.slow),
        ("recurrent(both=True, every=True)", "recurrent(both=True, every=True)"),
    ],
)
def test_recurrent_layers_are_matched_and_moved(workers: Workers, first: str, second: str) -> None:
    """Gates in another order, one bias or two; the last output by its step or as the last state."""
    pair = pair_of(workers, None, first, second, (9,), tokens=50)
    migration = compare_pair(pair, training=True)
    assert migration.equal, migration
    assert not migration.causes
    assert len(migration.stages) == 3
    assert [proof.level for proof in migration.proofs] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (
            "recurrent(recurrent_activation='hard_sigmoid')",
            "recurrent()",
            "memory / memory: recurrent activation: TensorFlow has hard_sigmoid, Paddle sigmoid",
        ),
        (
            "recurrent(activation='relu')",
            "recurrent()",
            "memory / memory: activation: TensorFlow has relu, Paddle tanh",
        ),
        (
            "recurrent('GRU', reset_after=False)",
            "recurrent('GRU')",
            "memory / memory: reset after: TensorFlow has False, Paddle True",
        ),
    ],
)
def test_what_recurrent_layers_differ_in_is_named(workers: Workers, first: str, second: str, says: str) -> None:
    migration = compare_pair(pair_of(workers, None, first, second, (9,), tokens=50))
    assert migration.verdict == "different"
    assert any(cause.text.startswith(says) for cause in migration.causes), migration.causes


def test_recurrent_layers_of_other_sizes_are_different(workers: Workers) -> None:
    migration = compare_pair(pair_of(workers, None, "stacked()", "projected()", (9,), tokens=50), impact=False)
    assert migration.verdict == "different"
    assert any("memory" in cause.text or "cell" in cause.text for cause in migration.causes)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("two_inputs", "does not take --input 8,8,3"),
        ("with_nan", "1 NaN or infinite"),
        ("not_a_model", "found builtins.str"),
        ("raises", "does not build: RuntimeError: out of ideas"),
        ("nothing_here", "has no 'nothing_here'"),
    ],
)
@pytest.mark.parametrize("framework", [FIRST, SECOND])
def test_what_cannot_be_compared_is_said_in_one_message(
    workers: Workers, dataset: Dataset, framework: str, name: str, says: str
) -> None:
    good = "small()" if name == "with_nan" else "nested()"
    pair = pair_of(
        workers,
        dataset,
        name if framework == FIRST else good,
        name if framework == SECOND else good,
        (16, 16, 3) if name == "with_nan" else (8, 8, 3),
    )
    with pytest.raises(TargetError) as caught:
        compare_pair(pair)
    message = str(caught.value)
    assert says in message
    assert "Traceback" not in message
    assert "\n" not in message
    assert name in message


@pytest.mark.parametrize("shape", [(5, 5), (3, 8, 8), (2, 2, 3)])
def test_a_wrong_input_shape_is_refused(workers: Workers, dataset: Dataset, shape: tuple[int, ...]) -> None:
    with pytest.raises(TargetError, match=r"does not (run|build)"):
        compare_pair(pair_of(workers, dataset, "nested()", "nested()", shape))


def test_in_float32_a_large_difference_is_named_and_equal_models_pass(workers: Workers, dataset: Dataset) -> None:
    same = compare_pair(pair_of(workers, dataset, "small()", "small()", dtype="float32"), impact=False)
    assert same.equal, same
    assert [proof.level for proof in same.proofs] == [1, 3]
    assert any("float32 only" in line for line in same.remarks)
    other = compare_pair(pair_of(workers, dataset, "small()", "small(padding=1)", dtype="float32"), impact=False)
    assert not other.equal
    assert not other.proofs[1].passed
    assert causes_of(other) == {("first", "same-pad")}


def test_a_saved_keras_model_is_a_target_and_a_damaged_one_is_refused(
    workers: Workers, dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "model.keras"
    save = f"from tests.migration.keras_models import small; small(epsilon=1e-3).save({str(path)!r})"
    subprocess.run([sys.executable, "-c", save], check=True, capture_output=True, cwd=ROOT)
    inputs = [InputSpec([16, 16, 3])]
    specs = {FIRST: ModelSpec(str(path), inputs), SECOND: ModelSpec(f"{PADDLE}:small(epsilon=1e-3)", inputs)}
    assert compare_pair(RecordedPair(workers, specs, dataset), training=True, impact=False).equal
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(TargetError, match=r"model\.keras cannot be loaded by Keras"):
        compare_pair(RecordedPair(workers, specs, dataset))


def test_the_decision_impact_counts_changed_classes(workers: Workers, dataset: Dataset) -> None:
    same = compare_pair(pair_of(workers, dataset, "small()", "small()"))
    other = compare_pair(pair_of(workers, dataset, "small(activation='tanh')", "small(padding=1)"))
    assert same.impact is not None
    assert other.impact is not None
    assert (same.impact.inputs, same.impact.changed) == (200, 0)
    assert same.impact.largest_gap is not None
    assert same.impact.largest_gap < 1e-5
    assert other.impact.changed > 0
    assert len(other.impact.margins) == other.impact.changed
    assert all(margin >= 0 for margin in other.impact.margins)


def test_a_record_survives_json(workers: Workers, dataset: Dataset) -> None:
    migration = compare_pair(pair_of(workers, dataset, "small(epsilon=1e-3)", "small(padding=1)"), impact=False)
    read_back = Migration.from_dict(json.loads(json.dumps(migration.as_dict())))
    assert read_back == migration
    assert all(cause.framework == SECOND for cause in read_back.causes)
