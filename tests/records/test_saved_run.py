"""What a saved run must be to be read: each field of its type, in its range, known, there; and what is said if not."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parity.records.accuracy_records import Equivalence, SequentialErrors
from parity.records.records import ControlRun, Record, RuleProof
from parity.records.replicas import ReductionSpeed, ReplicaDetection, ReplicaProof, ReplicaReadings, ReplicaSpeed
from parity.records.saved_run import RECORD_TYPES, RECORDS, load_run, save_records
from parity.records.speed_records import Overhead, Profile, Trial
from parity.records.validation import RecordError
from tests.reports.report_records import CROSS, DOUBLE, SINGLE, SPEED, TRAINING, loss_curves, save
from tests.reports.test_detection import CAUGHT
from tests.reports.test_migration import different

CURVES = loss_curves({"float64": 31, "float64 paddle": None})

EQUIVALENCE = Equivalence(
    "lenet5", "mini", "CIFAR-10", 50_000, 2, [0, 1], {"paddle": [0.7, 0.7], "tensorflow": [0.7, 0.7]},
    0.1, (-0.2, 0.4), 0.5, 0.95, 0.01, 0.4, "equivalent",
)  # fmt: skip

OVERHEAD = Overhead("lenet5", "paddle", "bare loop", 128, 2, [1.0, 1.02], 0.97)

CONTROL_RUN = ControlRun("lenet5", [0, 1], [], 0.2)

RULE = RuleProof("mini_resnet", 6, "optimizer steps: adam", True, "CIFAR-10", {"steps": 10}, 0.0, 1e-9, rule="adam")

ERRORS = SequentialErrors(
    ("normal", "skewed"), (0.3, 0.9), 0.0, 10_000, 4, 2, 20, 0.5, 0.95, 0.25, 0.0625, 0.6875, 19.0, 24
)  # fmt: skip

TRIAL = Trial("vgg16", "paddle", "to_static in place of eager", 128, 2, [1.25, 1.5], "oneDNN off")

REPLICAS = ReplicaProof("lenet5", 6, "optimizer steps: 2 replicas", True, "CIFAR-10", {"steps": 20}, 1e-16, 1e-12)

REPLICA_FAULT = ReplicaDetection("lenet5", "paddle", 2, "gradients added up", True, True, True, 1e9, "2 times")

SHARED = ReplicaSpeed("lenet5", "paddle", 2, 100, 62_006, [ReplicaReadings(2, 1, True, 100, [0.1, 0.2])])

REDUCTION = ReductionSpeed("paddle", 2, 1_000, [0.1, 0.2])

PROFILE = Profile("lenet5", "paddle", 100, 1, {"convolution, forward": 0.25, "convolution, backward": 0.5})

EVERY = [
    PROFILE,
    REPLICAS,
    REPLICA_FAULT,
    SHARED,
    REDUCTION,
    ERRORS,
    TRIAL,
    DOUBLE,
    SINGLE,
    RULE,
    CAUGHT,
    CONTROL_RUN,
    SPEED,
    TRAINING,
    OVERHEAD,
    CURVES,
    EQUIVALENCE,
    CROSS,
    different(),
]

MISSING = object()

ROOT = Path(__file__).resolve().parents[2]


def changed(folder: Path, record: Record, path: str, value: Any) -> Path:
    """A run whose second record is this one, with another value at the path; `MISSING` takes the field away."""
    run = save(folder, [DOUBLE, record])
    content = json.loads(run.read_text())
    inner: Any = content["benchmarks"][1]["extra_info"]
    *steps, last = (int(step) if step.isdecimal() else step for step in path.split("/"))
    for step in steps:
        inner = inner[step]
    if value is MISSING:
        del inner[last]
    else:
        inner[last] = value
    run.write_text(json.dumps(content))
    return run


def test_every_kind_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    assert {type(record) for record in EVERY} == set(RECORDS)
    path = tmp_path / "run.json"
    save_records(path, EVERY, {})
    records = [record for record, _ in load_run(path).entries]
    assert [type(record) for record in records] == [type(record) for record in EVERY]
    assert [record.as_dict() for record in records] == [record.as_dict() for record in EVERY]
    assert [RECORD_TYPES[record.as_dict()["kind"]] for record in records] == [type(record) for record in EVERY]


@pytest.mark.parametrize(
    ("record", "path", "value", "words"),
    [
        (SPEED, "network", 3, "network: expected str, found 3"),
        (SPEED, "batch", "128", "batch: expected int, found '128'"),
        (SPEED, "batch", True, "batch: expected int, found true"),
        (SPEED, "batch", 128.5, "batch: expected int, found 128.5"),
        (SPEED, "device", None, "device: expected str, found null"),
        (DOUBLE, "passed", 1, "passed: expected bool, found 1"),
        (DOUBLE, "gap", "0", "gap: expected float | null, found '0'"),
        (DOUBLE, "compared", ["stages"], "compared: expected object, found a list of 1"),
        (SINGLE, "frameworks/tensorflow/gap", "small", "frameworks.tensorflow.gap: expected float | null"),
        (CURVES, "losses/tensorflow float64/7", None, "losses['tensorflow float64'][7]: expected float, found null"),
        (CURVES, "pairs/0/meaning", "luck", "pairs[0].meaning: expected 'divergence' or 'frameworks', found 'luck'"),
        (EQUIVALENCE, "interval", [], "interval: expected array of length 2, found a list of 0"),
        (EQUIVALENCE, "verdict", "alike", "verdict: expected 'different' or 'equivalent' or 'undecided'"),
        (TRAINING, "epochs/1", [2, 0.1], "epochs[1]: expected object, found a list of 2"),
        (ERRORS, "distributions/1", "log-normal", "distributions[1]: expected 'heavy-tailed' or 'normal' or 'skewed'"),
        (ERRORS, "distributions", ["normal"], "distributions: expected array of length 2, found a list of 1"),
        (ERRORS, "matrices", 1e4 + 0.5, "matrices: expected int, found 10000.5"),
        (PROFILE, "shares/convolution, forward", 1.5, "shares['convolution, forward']: expected float <= 1"),
        (PROFILE, "shares/convolution, forward", 0.75, "shares: expected at most 1 in all, found 1.25"),
        (REPLICAS, "replicas", 1, "replicas: expected int >= 2, found 1"),
        (REPLICA_FAULT, "severity", -1.0, "severity: expected"),
        (SHARED, "readings/0/seconds", [], "readings[0].seconds: expected array of length >= 1"),
        (SHARED, "readings/0/seconds/1", 0.0, "readings[0].seconds[1]: expected float > 0"),
        (REDUCTION, "elements", 0, "elements: expected int >= 1, found 0"),
        (TRIAL, "change", None, "change: expected str, found null"),
        (TRIAL, "ratios/0", "1.2", "ratios[0]: expected float, found '1.2'"),
        (CAUGHT, "kind", "Detection", "kind: expected '"),
        (CAUGHT, "kind", 7, "kind: expected '"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_refused(tmp_path: Path, record: Record, path: str, value: Any, words: str) -> None:
    with pytest.raises(RecordError, match=re.escape(f"0001_run.json: benchmarks[1].extra_info.{words}")):
        load_run(changed(tmp_path, record, path, value))


@pytest.mark.parametrize(
    ("record", "path", "value", "words"),
    [
        (DOUBLE, "level", 0, "level: expected int >= 1, found 0"),
        (DOUBLE, "level", 10, "level: expected int <= 9, found 10"),
        (DOUBLE, "compared/elements", -1, "compared.elements: expected int >= 0, found -1"),
        (DOUBLE, "seconds", -0.5, "seconds: expected float >= 0.0, found -0.5"),
        (CAUGHT, "severity", -1.0, "severity: expected float"),
        (SPEED, "batch", 0, "batch: expected int >= 1, found 0"),
        (TRAINING, "peak_memory", -1, "peak_memory: expected int >= 0, found -1"),
        (TRAINING, "epochs/1/test_accuracy", 55.0, "epochs[1].test_accuracy: expected an accuracy of 0 to 1, found 55"),
        (EQUIVALENCE, "confidence", 95.0, "confidence: expected float < 1.0, found 95.0"),
        (EQUIVALENCE, "margin", 0.0, "margin: expected float > 0.0, found 0.0"),
        (EQUIVALENCE, "accuracies/paddle/1", 70.0, "accuracies['paddle']: expected an accuracy of 0 to 1, found 70"),
        (CROSS, "accuracy_abroad", -0.1, "accuracy_abroad: expected an accuracy of 0 to 1, found -0.1"),
        (CURVES, "pairs/0/parted", 0, "pairs[0].parted: expected int"),
        (ERRORS, "different", 6.25, "different: expected float <= 1.0, found 6.25"),
        (ERRORS, "undecided", 0.5, "undecided: expected the share that makes all three 1 in sum, found a sum of"),
        (ERRORS, "mean_seeds", 21.0, "mean_seeds: expected 4 to 20, the first look's to the last's, found 21"),
        (ERRORS, "mean_seeds", 3.5, "mean_seeds: expected 4 to 20, the first look's to the last's, found 3.5"),
        (ERRORS, "deviations/0", -0.1, "deviations[0]: expected float >= 0.0, found -0.1"),
        (ERRORS, "confidence", 1.0, "confidence: expected float < 1.0, found 1.0"),
        (TRIAL, "ratios/1", 0.0, "ratios[1]: expected float > 0.0, found 0.0"),
        (TRIAL, "batch", 0, "batch: expected int >= 1, found 0"),
    ],
)  # fmt: skip
def test_a_number_out_of_its_range_is_refused(
    tmp_path: Path, record: Record, path: str, value: Any, words: str
) -> None:
    with pytest.raises(RecordError, match=re.escape(f"0001_run.json: benchmarks[1].extra_info.{words}")):
        load_run(changed(tmp_path, record, path, value))


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (DOUBLE, "seconds"),
        (CONTROL_RUN, "severity"),
        (SPEED, "first_seconds"),
        (TRAINING, "seconds"),
        (TRAINING, "epochs/0/learning_rate"),
        (TRAINING, "epochs/0/images_per_second"),
        (OVERHEAD, "ratios/1"),
        (CURVES, "together"),
        (EQUIVALENCE, "margin"),
        (ERRORS, "true_difference"),
        (ERRORS, "mean_seeds"),
        (TRIAL, "ratios/0"),
    ],
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_time_or_a_setting_that_is_no_number_is_refused(
    tmp_path: Path, record: Record, path: str, value: float
) -> None:
    location = re.sub(r"\.(\d+)", r"[\1]", path.replace("/", "."))
    words = f"benchmarks[1].extra_info.{location}: expected a finite number, found {json.dumps(value)}"
    with pytest.raises(RecordError, match=re.escape(words)):
        load_run(changed(tmp_path, record, path, value))


def test_a_trial_without_ratios_says_why(tmp_path: Path) -> None:
    silent = changed(tmp_path, replace(TRIAL, note="", ratios=[2.0]), "ratios", [])
    with pytest.raises(RecordError, match="ratios: expected one or more, or a note that says why there are none"):
        load_run(silent)
    crashed = replace(TRIAL, ratios=[], note="crashes")
    assert load_run(save(tmp_path, [crashed])).entries[0][0] == crashed


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (DOUBLE, "gap"),
        (DOUBLE, "limit"),
        (SINGLE, "frameworks/paddle/gap"),
        (TRAINING, "epochs/0/train_loss"),
        (TRAINING, "epochs/0/test_accuracy"),
        (CURVES, "losses/paddle float64/3"),
        (CURVES, "pairs/0/largest"),
        (CROSS, "largest_gap"),
    ],
)
def test_a_result_that_is_no_number_is_read(tmp_path: Path, record: Record, path: str) -> None:
    """The report is loud about it."""
    saved: Any = load_run(changed(tmp_path, record, path, math.nan)).entries[1][0].as_dict()
    for step in path.split("/"):
        saved = saved[int(step) if step.isdecimal() else step]
    assert math.isnan(saved)


@pytest.mark.parametrize(
    ("record", "path", "location", "known"),
    [
        (DOUBLE, "depth", "depth", "network, level, title"),
        (SINGLE, "frameworks/paddle/ratio", "frameworks.paddle.ratio", "gap, limit, worst"),
        (TRAINING, "epochs/1/loss", "epochs[1].loss", "epoch, learning_rate, train_loss"),
        (CURVES, "pairs/1/a b", "pairs[1]['a b']", "one, other, meaning"),
    ],
)
def test_an_unknown_field_is_refused(tmp_path: Path, record: Record, path: str, location: str, known: str) -> None:
    dot = "" if location[0] == "[" else "."
    words = f"benchmarks[1].extra_info{dot}{location}: expected no field of this name, found 3"
    with pytest.raises(RecordError, match=re.escape(words)) as error:
        load_run(changed(tmp_path, record, path, 3))
    assert f"(known: {known}" in str(error.value)


@pytest.mark.parametrize(
    ("record", "path", "location"),
    [
        (DOUBLE, "network", "network"),
        (SINGLE, "frameworks/tensorflow/limit", "frameworks.tensorflow.limit"),
        (TRAINING, "epochs/0/seconds", "epochs[0].seconds"),
        (CURVES, "pairs/0/parted", "pairs[0].parted"),
        (ERRORS, "seed_batch", "seed_batch"),
        (TRIAL, "ratios", "ratios"),
    ],
)
def test_a_missing_field_is_named(tmp_path: Path, record: Record, path: str, location: str) -> None:
    words = f"0001_run.json: benchmarks[1].extra_info.{location}: expected a value, found none. Leave this file out, or"
    with pytest.raises(RecordError, match=re.escape(words)):
        load_run(changed(tmp_path, record, path, MISSING))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "the values: expected object, found a list of 0"),
        ({}, "benchmarks: expected a value, found none"),
        ({"benchmarks": {}}, "benchmarks: expected array, found an object of 0 fields"),
        ({"benchmarks": [3]}, "benchmarks[0]: expected object, found 3"),
        ({"benchmarks": [{"extra_info": []}]}, "benchmarks[0].extra_info: expected object, found a list of 0"),
        ({"benchmarks": [{"stats": 1}]}, "benchmarks[0].stats: expected object, found 1"),
        ({"benchmarks": [], "datetime": 2026}, "datetime: expected str, found 2026"),
        ({"benchmarks": [], "machine_info": {"parity": "cpu"}}, "machine_info.parity: expected object, found 'cpu'"),
        (
            {"benchmarks": [], "machine_info": {"parity": {"frameworks": {"paddle": {"threads": "2"}}}}},
            "machine_info.parity.frameworks.paddle.threads: expected int | null, found '2'",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=re.escape(f"odd.json: {words}. Leave this file out")):
        load_run(path)


def test_benchmarks_of_others_may_share_the_file(tmp_path: Path) -> None:
    path = save(tmp_path, [DOUBLE])
    content = json.loads(path.read_text())
    content["benchmarks"] += [{"name": "test_sort", "extra_info": {"kind": ["list"], "level": "x"}}, {"name": "test_b"}]
    path.write_text(json.dumps(content))
    assert [record for record, _ in load_run(path).entries] == [DOUBLE]


def test_a_name_out_of_a_file_is_shown_safely(tmp_path: Path) -> None:
    name = "x` - at `$.level`\x1b[2J" + "y" * 1000
    with pytest.raises(RecordError) as error:
        load_run(changed(tmp_path, DOUBLE, name, "\x1b[31m" + "z" * 1000))
    text = str(error.value)
    assert "benchmarks[1].extra_info['x` - at `$.level`\\x1b[2J" in text
    assert "\x1b" not in text
    assert len(text) < 1000


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("gap", 10**400, "extra_info.gap: expected a number that float64 can hold, found a number of 401 digits"),
        ("level", 10**400, "extra_info.level: expected int <= 9, found a number of 401 digits"),
        ("a\ud800", 1, "extra_info: expected names of fields in Unicode, found 'a\\ud800'"),
        ("compared/a\ud800", -1, "extra_info.compared['a\\ud800']: expected int >= 0, found -1"),
    ],
)
def test_numbers_and_names_that_python_s_json_alone_takes(tmp_path: Path, path: str, value: int, words: str) -> None:
    with pytest.raises(RecordError, match=re.escape(words)):
        load_run(changed(tmp_path, DOUBLE, path, value))


def test_the_runs_of_this_project_s_reports_are_read() -> None:
    folders = [ROOT / "reports" / "saved", ROOT / "tests" / "reports" / "earlier_runs"]
    saved = [sorted(folder.rglob("*.json")) for folder in folders]
    assert all(saved)
    for path in (path for paths in saved for path in paths):
        run = load_run(path)
        assert len(run.entries) == len(json.loads(path.read_text())["benchmarks"]) > 0, path
        simulated = all(isinstance(record, SequentialErrors) for record, _ in run.entries)
        assert {"paddle", "tensorflow"} >= set(run.environment.frameworks), path
        assert bool(run.environment.frameworks) != simulated, path


def test_earlier_forms_are_read(tmp_path: Path) -> None:
    """Levels that had another number, update rules without a kind of their own, and what `--json` writes as null."""
    old = {"kind": "proof", "network": "lenet5", "level": 7, "title": "loss curve", "passed": True, "dataset": "x"}
    rule = {**old, "level": 6, "title": "optimizer steps: adam", "compared": {}, "network": "mini_resnet"}
    migration = different().as_dict() | {"impact": {}}
    migration["causes"][0]["before"] = None
    entries = [("a", {**old, "compared": {"steps": 3}}), ("test_update_rule[adam]", rule), ("m", migration)]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"benchmarks": [{"name": name, "extra_info": info} for name, info in entries]}))
    curve, update, models = (record.as_dict() for record, _ in load_run(path).entries)
    assert (curve["kind"], curve["level"]) == ("proof", 9)
    assert (update["kind"], update["rule"], update["level"]) == ("update rule", "adam", 6)
    assert models["impact"] is None
    assert math.isnan(models["causes"][0]["before"])
    assert models["proofs"] == different().as_dict()["proofs"]


def test_earlier_names_of_fields_and_kinds_are_read(tmp_path: Path) -> None:
    """What was saved before the fields had their names of today comes back as the same records."""
    control_run = CONTROL_RUN.as_dict()
    control_run |= {"kind": "innocence", "accusations": control_run.pop("false_alarms")}
    detection = CAUGHT.as_dict()
    detection |= {"placed": detection.pop("located"), "accused": detection.pop("false_alarms")}
    migration = different().as_dict()
    for layer in migration["stages"]:
        layer["evidence"] = layer.pop("reason")
    curves = CURVES.as_dict()
    curves["losses"] = {run.replace(" perturbed", " nudged"): losses for run, losses in curves["losses"].items()}
    for pair in curves["pairs"]:
        pair["other"] = pair["other"].replace(" perturbed", " nudged")
        pair["meaning"] = pair["meaning"].replace("divergence", "chaos")
    assert {pair["meaning"] for pair in curves["pairs"]} == {"frameworks", "chaos"}
    entries = [{"name": "old", "extra_info": info} for info in (control_run, detection, migration, curves)]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"benchmarks": entries}))
    records = [record.as_dict() for record, _ in load_run(path).entries]
    assert records == [record.as_dict() for record in (CONTROL_RUN, CAUGHT, different(), CURVES)]


def test_a_field_under_its_earlier_and_its_present_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="accused: expected no field of this name"):
        load_run(changed(tmp_path, CAUGHT, "accused", []))
