"""The suite finds what it is for: every trap that a network can fall into is caught, located and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from parity.catalogue.networks import NETWORKS, network
from parity.catalogue.recipes import EVALUATION_BATCH, RECIPES
from parity.catalogue.traps import FAULTS, TRAPS, Fault, FaultName
from parity.data.dataset import Dataset
from parity.diagnosis import hypotheses
from parity.diagnosis.optimizer import update_rule
from parity.diagnosis.prove import prove, prove_level
from parity.diagnosis.scene import IMAGES, LOSS, OPTIMIZER, Scene, scene_of
from parity.diagnosis.search import diagnose
from parity.faults.detection import Injection, control_run, detect_one, injections
from parity.faults.sites import layer_of_same_kernel, sites_of
from parity.faults.tampering import Distortion, TamperedWorkers, distortion
from parity.proofs import context as context_module
from parity.proofs.context import ProofContext
from parity.proofs.optimizer import OPTIMIZERS, rule_recipe
from parity.records.detection_rates import margin, rates_of
from parity.records.levels import LEVELS
from parity.records.records import ControlRun, Detection
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

ROOT = Path(__file__).resolve().parents[2]

FAULTY = ("faults", "training_faults")  # the files of the packages that know faults

# small networks and recipes that together have a site for every fault; the fastest first
SMALL = ("mini_vgg", "mini_inception", "alexnet", "resnet20_v1")

CASES = (("lenet5", "paddle_vgg"), ("lenet5", "keras_resnet"), *((name, NETWORKS[name].recipe) for name in SMALL))

FEW = 50  # images of an evaluation's batch; with so few, level 7 takes a tenth of its time


@pytest.fixture(scope="module")
def scenes(workers: Workers, dataset: Dataset) -> dict[str, Scene]:
    return {
        name: scene_of(ProofContext(workers, NETWORKS[name], dataset)) for name in (*SMALL, "lenet5", "mini_resnet")
    }


def injections_of(case: tuple[str, str], scenes: dict[str, Scene]) -> list[Injection]:
    name, recipe = case
    return injections(replace(scenes[name], recipe=RECIPES[recipe]))


def fault(change: FaultName, trap: str = "") -> Fault:
    return next(fault for fault in FAULTS if fault.change == change and trap in ("", fault.trap))


def test_every_trap_has_a_fault_or_a_reason_why_not() -> None:
    covered = {fault.trap for fault in FAULTS}
    assert covered <= set(TRAPS)
    for trap in TRAPS.values():
        assert (trap.id in covered) != bool(trap.elsewhere), trap.id
        assert trap.title
        assert trap.fix
    assert len(TRAPS) == 54


def test_every_fault_is_in_the_tables_of_its_frameworks_or_in_tampering() -> None:
    tampering = (ROOT / "parity" / "faults" / "tampering.py").read_text()
    shared = (ROOT / "parity" / "runtime" / "trainer_faults.py").read_text()
    for fault in FAULTS:
        member = f"FaultName.{fault.change.name}"
        folders = [ROOT / FRAMEWORKS[name].package for name in fault.frameworks]
        sources = ["".join((folder / f"{stem}.py").read_text() for stem in FAULTY) for folder in folders]
        in_tables = {f".named({member})" in shared + source for source in sources}
        assert in_tables == {f"    {member}: " not in tampering}, fault
    assert {fault.change for fault in FAULTS} == set(FaultName)


def test_every_fault_has_a_known_kind_of_site(scenes: dict[str, Scene]) -> None:
    for fault in FAULTS:
        sites_of(fault.where, scenes["lenet5"])  # raises for an unknown kind


def test_the_twins_files_know_nothing_of_faults() -> None:
    for framework in FRAMEWORKS.values():
        for path in (ROOT / framework.package).rglob("*.py"):
            if path.stem not in (*FAULTY, "replica_faults", "verbs", "replica_verbs"):
                assert "fault" not in path.read_text().replace("default", ""), path


def test_faults_go_where_the_network_has_a_site(scenes: dict[str, Scene]) -> None:
    changes = {name: {injection.fault.change for injection in injections(scene)} for name, scene in scenes.items()}
    assert FaultName.AVERAGED_WINDOW in changes["alexnet"]
    assert FaultName.AVERAGED_WINDOW not in changes["lenet5"]
    assert FaultName.UNBIASED_VARIANCE in changes["mini_resnet"]
    assert not {FaultName.UNBIASED_VARIANCE, FaultName.SYMMETRIC_PADDING} & changes["lenet5"]
    assert {FaultName.ROWS_IN_ANOTHER_ORDER, FaultName.THE_OTHER_EPSILON} <= changes["lenet5"]
    assert FaultName.ROWS_IN_ANOTHER_ORDER not in changes["mini_resnet"]  # its maps are 1x1 by then
    assert sites_of("loss", scenes["lenet5"]) == [LOSS]
    assert sites_of("images", scenes["lenet5"]) == [IMAGES]
    assert sites_of("any optimizer", scenes["lenet5"]) == [OPTIMIZER]


def test_another_seed_draws_other_sites_and_the_same_one_the_same(scenes: dict[str, Scene]) -> None:
    scene = scenes["mini_resnet"]
    assert injections(scene, 1) == injections(scene, 1)
    assert injections(scene, 1) != injections(scene, 2)


def test_the_cases_have_every_fault(scenes: dict[str, Scene]) -> None:
    assert {injection.fault for case in CASES for injection in injections_of(case, scenes)} == set(FAULTS)


Find = Callable[[tuple[str, str], Injection], Detection]


@pytest.fixture
def find(workers: Workers, dataset: Dataset, scenes: dict[str, Scene], monkeypatch: pytest.MonkeyPatch) -> Find:
    """Puts one fault into a network with this recipe, and requires that it is caught, located and named.

    Faults that show in an evaluation of hundreds of images alone get that; for all others a few images are enough.
    """

    def checked(case: tuple[str, str], injection: Injection) -> Detection:
        name, recipe = case
        with monkeypatch.context() as patch:
            patch.setitem(NETWORKS, name, replace(NETWORKS[name], recipe=recipe))
            if injection.fault.where != "evaluation of hundreds at once":
                patch.setattr(context_module, "EVALUATION_BATCH", FEW)
            detection = detect_one(workers, name, dataset, injection, scenes[name])
        assert detection.caught, detection
        assert detection.located, detection
        assert detection.named, detection
        assert not detection.false_alarms, detection
        return detection

    return checked


def test_a_fault_of_every_level_is_caught_placed_and_named(find: Find, scenes: dict[str, Scene]) -> None:
    """The first one of each level, in the frameworks by turns; `make test-all` has every fault in both."""
    case = CASES[0]
    for turn, level in enumerate(sorted({fault.level for fault in FAULTS})):
        own = [injection for injection in injections_of(case, scenes) if injection.fault.level == level]
        injection = next(
            injection for injection in own if injection.framework == list(FRAMEWORKS)[turn % len(FRAMEWORKS)]
        )
        assert find(case, injection).must_level == level


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_every_fault_is_caught_placed_and_named(
    workers: Workers,
    dataset: Dataset,
    scenes: dict[str, Scene],
    monkeypatch: pytest.MonkeyPatch,
    find: Find,
    case: tuple[str, str],
    framework: str,
) -> None:
    """Each fault in the first case that has it; the report has them in every network."""
    earlier = {injection.fault for other in CASES[: CASES.index(case)] for injection in injections_of(other, scenes)}
    own = [
        injection
        for injection in injections_of(case, scenes)
        if injection.fault not in earlier and injection.framework == framework
    ]
    assert own
    for injection in own:
        find(case, injection)
    name, recipe = case
    monkeypatch.setitem(NETWORKS, name, replace(NETWORKS[name], recipe=recipe))
    monkeypatch.setattr(context_module, "EVALUATION_BATCH", FEW)
    last = max(injection.fault.level for injection in own)  # by then, one that was left in would show
    for proof in prove(ProofContext(workers, network(name), dataset), [level for level in LEVELS if level <= last]):
        assert proof.passed, proof.problems


@pytest.mark.parametrize(
    ("name", "batch", "seeds"),
    [
        ("lenet5", FEW, [5, 6]),
        pytest.param("lenet5", EVALUATION_BATCH, [5, 6], marks=pytest.mark.slow),
        pytest.param("mini_inception", FEW, [5], marks=pytest.mark.slow),
    ],
)
def test_a_correct_pair_gives_no_false_alarm(
    workers: Workers, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, name: str, batch: int, seeds: list[int]
) -> None:
    monkeypatch.setattr(context_module, "EVALUATION_BATCH", batch)
    control = control_run(workers, name, dataset, seeds=seeds)
    assert control.false_alarms == []
    assert control.seeds == seeds
    assert 0 < control.severity < 1


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_numpy_follows_every_correct_update_rule(workers: Workers, dataset: Dataset, kind: str) -> None:
    assert update_rule(ProofContext(workers, NETWORKS["lenet5"], dataset), rule_recipe(kind)) == []


def test_a_fault_that_two_levels_see_is_reported_at_the_first(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    injection = Injection(fault(FaultName.RELU_MISSING), "paddle", "group1/relu")
    detection = detect_one(workers, "lenet5", dataset, injection, scene_of(context))
    assert (detection.level, detection.stage, detection.framework, detection.trap) == (
        1,
        "group1/relu",
        "paddle",
        "relu-missing",
    )
    assert "PaddlePaddle computed the input, without the ReLU" in detection.diagnosis


def test_no_fault_hides_another(workers: Workers, dataset: Dataset) -> None:
    scene = scene_of(ProofContext(workers, NETWORKS["lenet5"], dataset))
    swapped = distortion(FaultName.SWAPPED_KERNEL_AXES, "group1/conv", scene)
    lost = distortion(FaultName.BIAS_LOST, "head/logits", scene)
    assert swapped is not None
    assert lost is not None
    first = TamperedWorkers(workers, "paddle", swapped)
    both = TamperedWorkers(first, "tensorflow", lost)
    causes = diagnose(ProofContext(both, NETWORKS["lenet5"], dataset), 2)
    assert {(cause.framework, cause.stage, cause.trap) for cause in causes} == {
        ("paddle", "group1/conv", "conv-layout"),
        ("tensorflow", "head/logits", "conv-bias"),
    }


def test_a_cause_that_is_no_trap_is_placed_and_not_named(workers: Workers, dataset: Dataset) -> None:
    def louder(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return state | {"head/fc2/kernel": state["head/fc2/kernel"] * 1.01}

    context = ProofContext(
        TamperedWorkers(workers, "tensorflow", Distortion(state=louder)), NETWORKS["lenet5"], dataset
    )
    proof = prove_level(context, 2)
    assert not proof.passed
    assert [(cause.framework, cause.stage, cause.trap) for cause in proof.causes] == [("tensorflow", "head/fc2", "")]
    assert "no known trap" in proof.causes[0].text


def test_a_correct_level_has_no_causes(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    assert [cause for level in LEVELS for cause in diagnose(context, level)] == []


def test_rounding_keeps_so_many_significant_bits() -> None:
    x = np.array([1.0, 1 + 2.0**-10, 1 + 2.0**-11 + 2.0**-20, -3.14159, 0.0, 1e-30])
    rounded = hypotheses.rounded_to_bits(x, 11)
    assert rounded[0] == 1.0
    assert rounded[1] == x[1]
    assert rounded[2] == 1 + 2.0**-10
    assert rounded[4] == 0
    assert (np.abs(rounded - x) <= np.abs(x) * 2.0**-11).all()
    assert (hypotheses.rounded_to_bits(rounded, 11) == rounded).all()


def test_cross_entropy_of_hand_counted_logits() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    expected = -(np.log(0.25) + np.log(0.8)) / 2
    assert hypotheses.cross_entropy(logits, np.array([1, 2])) == pytest.approx(expected, rel=1e-15)
    assert hypotheses.cross_entropy(logits + 1e4, np.array([1, 2])) == pytest.approx(expected, rel=1e-12)


def test_every_hypothesis_differs_from_what_the_layer_computes() -> None:
    draw = np.random.default_rng(0)
    kernels = {"kernel": draw.normal(size=(3, 3, 4, 4)), "bias": draw.normal(size=4)}
    conv = {"name": "a", "kind": "conv", "stride": 2, "padding": "same"}
    state = {"a/kernel": kernels["kernel"], "b/kernel": draw.normal(size=(3, 3, 4, 4))}
    x = draw.normal(size=(2, 8, 8, 4))
    played = list(hypotheses.of_layer(conv, x, kernels, state))
    assert {trap for trap, _, _ in played} == {"relu-on-logits", "conv-bias", "same-pad", "conv-layout", "bias-swap"}
    outputs = [y for _, _, y in played]
    for index, one in enumerate(outputs):
        assert all(np.abs(one - other).max() > 1e-3 for other in outputs[:index])


def test_a_twin_is_the_next_layer_with_a_kernel_of_that_shape(scenes: dict[str, Scene]) -> None:
    assert layer_of_same_kernel("stage1/block1/conv1", scenes["mini_resnet"]) == "stage1/block1/conv2"
    assert layer_of_same_kernel("head/logits", scenes["mini_resnet"]) is None


DETECTION = Detection("lenet5", "nan", "one nan", "paddle", "head/fc1", 1, 1, 1e9, True, True)


def test_rates_count_what_was_detected() -> None:
    unseen = structs.replace(DETECTION, level=0, severity=None, located=False, named=False)
    late = structs.replace(DETECTION, must_level=2, level=4, false_alarms=["group1/conv"])
    rates = rates_of([DETECTION, unseen, late])
    assert (rates.injected, rates.caught, rates.located, rates.named) == (3, 1, 2, 2)


@pytest.mark.parametrize(
    "change", [{"level": 0}, {"located": False}, {"named": False}, {"false_alarms": ["group1/conv"]}]
)
def test_a_detection_is_as_expected_where_nothing_is_wrong_with_it(change: dict[str, Any]) -> None:
    assert DETECTION.as_expected
    assert not structs.replace(DETECTION, **change).as_expected


def test_no_rate_follows_from_nothing() -> None:
    with pytest.raises(ValueError, match="no fault was put in"):
        rates_of([])


def test_the_margin_is_from_the_weakest_fault_to_the_strongest_correct_pair() -> None:
    weak = structs.replace(DETECTION, severity=100.0)
    correct = [ControlRun("lenet5", [0, 1], [], 0.1), ControlRun("alexnet", [0, 1], [], 0.01)]
    assert margin([DETECTION, weak], correct) == pytest.approx(3.0)
    assert margin([], correct) is None
    assert margin([DETECTION], []) is None


MUTE = """
def layer_inputs(self, network, dtype, arrays):  # dies when it is asked for what a diagnosis needs
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
Probes.layer_inputs = layer_inputs
"""

EPSILON = """
_batch_norm = batch_norm
def batch_norm(x, name, facts):
    y = _batch_norm(x, name, facts)
    if facts is not None:
        y._keras_history.operation.epsilon = 0.1
    return y
"""


def test_a_worker_that_dies_over_the_diagnosis_does_not_cost_the_failed_proof(
    faulty_pair: FaultyPair, dataset: Dataset
) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.probes": MUTE, "tf_impl.layers": EPSILON})
    (proof,) = prove(ProofContext(pair, network("mini_inception"), dataset), (2,))
    assert not proof.passed
    assert proof.gap is not None
    assert proof.gap > 1e-3
    assert proof.causes == []
    assert any(line.startswith("no diagnosis: TensorFlow") and "SIGKILL" in line for line in proof.problems)
