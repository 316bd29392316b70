"""What a comparison of a user's pair finds of the traps that are put into it, and what it says of a correct pair."""

import pytest

from parity.catalogue.pair_traps import PAIR_TRAPS
from parity.catalogue.targets import TargetError
from parity.faults.pair_change import Change
from parity.faults.pair_detection import (
    EqualPair,
    PairDetection,
    control_pair,
    detect_pair,
    detect_pair_fault,
    equal_pair,
)
from parity.faults.pair_sites import PairFault, fault_code, pair_faults
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import input_specs, model_specs
from parity.records.records import Detection
from parity.workers.pool import Workers
from tests.migration.pairs import PAIRS

TENSORFLOW, PADDLE = (f"tests.faults.trapped_models:{name}" for name in ("tensorflow_model", "paddle_model"))


def opened(workers: Workers, paddle: str = PADDLE) -> RecordedPair:
    return RecordedPair(workers, model_specs(TENSORFLOW, paddle, input_specs("8,8,3")))


@pytest.fixture(scope="module")
def equal(workers: Workers) -> EqualPair:
    return equal_pair(opened(workers), training=True)


@pytest.fixture(scope="module")
def detections(equal: EqualPair) -> list[PairDetection]:
    return list(detect_pair(equal))


def put_in(result: PairDetection) -> tuple[str, str]:
    return result.fault.change.trap, result.fault.step


def test_every_trap_that_has_an_effect_is_caught_located_and_named(detections: list[PairDetection]) -> None:
    counted = [one.detection for one in detections if one.detection is not None]
    assert len(counted) >= 15
    assert [one for one in counted if not (one.caught and one.located and one.named)] == []


def test_traps_are_put_into_layers_functions_and_repeated_calls(detections: list[PairDetection]) -> None:
    assert {
        ("same-pad", "conv"),
        ("bn-epsilon", "norm"),
        ("bn-momentum", "norm"),
        ("conv-bias", "gate"),
        ("relu-missing", "relu"),
        ("relu-missing", "relu#2"),
        ("act-other", "Net.sigmoid"),
        ("concat-order", "Net.concat"),
        ("pool-other", "means"),
        ("dropout-mode", "dropout"),
        ("conv-bias", "classes"),
        ("act-missing", "Net.softmax"),
    } <= {put_in(one) for one in detections}
    assert {one.fault.change.trap for one in detections} <= PAIR_TRAPS.keys()


def test_a_relu_after_another_is_no_trap_when_it_is_left_out(detections: list[PairDetection]) -> None:
    without = [one for one in detections if one.detection is None]
    assert ("relu-missing", "relu#2") in {put_in(one) for one in without}
    assert {one.effect for one in without if put_in(one) == ("relu-missing", "relu#2")} == {0.0}


def test_the_counterpart_of_a_step_is_the_one_with_the_same_numbers(equal: EqualPair) -> None:
    firsts = {fault.step: fault.first for fault in pair_faults(equal.pair, equal.walked)}
    assert firsts["conv"] == "conv"
    assert firsts["Net.sigmoid"] == "gate.activation"
    assert firsts["Net.concat"] == "joined"


def test_of_many_places_some_are_taken(equal: EqualPair) -> None:
    biases = [fault.step for fault in pair_faults(equal.pair, equal.walked, traps=["conv-bias"])]
    some = [fault.step for fault in pair_faults(equal.pair, equal.walked, traps=["conv-bias"], sites=2)]
    assert biases == ["conv", "gate", "classes"]
    assert some == ["conv", "classes"]


def test_what_cannot_be_put_in_is_said(equal: EqualPair) -> None:
    change = Change("conv-bias", "nowhere", "change_call(model, names, lambda call, x: x)", ("bias",))
    result = detect_pair_fault(equal, PairFault(change, "nowhere", "", fault_code(["nowhere"], change.statement, "")))
    assert result.detection is None
    assert "expected a call with the name 'nowhere'" in result.reason


def test_a_pair_that_is_not_equal_is_refused(workers: Workers) -> None:
    with pytest.raises(TargetError, match="expected a pair that is equal to put traps into, found 'different'"):
        equal_pair(opened(workers, f"{PADDLE}(epsilon=1e-5)"))


def test_control_runs_of_a_correct_pair_raise_no_alarm(workers: Workers) -> None:
    run = control_pair(opened(workers), range(2))
    assert run.seeds == [0, 1]
    assert run.false_alarms == []
    assert 0 <= run.severity < 1


def test_control_runs_of_another_pair_raise_alarms(workers: Workers) -> None:
    run = control_pair(opened(workers, f"{PADDLE}(epsilon=1e-5)"), [3])
    assert any(line.startswith("seed 3: different: norm / norm") for line in run.false_alarms)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recurrent/simple", "attention/padded", "masks/mean", "segmentation/unet"])
def test_traps_of_sequences_and_maps_are_caught(workers: Workers, name: str) -> None:
    counted = detected(workers, name)
    assert len(counted) > 2
    assert [one for one in counted if not one.caught] == []


def test_traps_in_functions_of_a_mask_are_placed_and_named(workers: Workers) -> None:
    counted = detected(workers, "masks/mean")
    assert {"mask", "reduction", "operands"} <= {one.trap for one in counted}
    assert [one for one in counted if not (one.caught and one.located and one.named)] == []


def detected(workers: Workers, name: str) -> list[Detection]:
    """The traps that have an effect in a pair of `PAIRS`."""
    row = next(pair for pair in PAIRS if pair.name == name)
    specs = model_specs(row.tensorflow, row.paddle, input_specs(list(row.inputs), row.options.get("tokens")))
    results = list(detect_pair(equal_pair(RecordedPair(workers, specs)), sites=1))
    return [one.detection for one in results if one.detection is not None]
