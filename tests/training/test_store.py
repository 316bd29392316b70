"""The folder of trainings: what counts as finished, the order of writing, locks between processes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from parity.catalogue.recipes import recipe_of
from parity.records.accuracy_records import Equivalence
from parity.records.environment import Environment
from parity.records.equivalence import equivalence
from parity.records.records import Detection, Record, Training
from parity.records.saved_run import load_run, save_records
from parity.training.checkpoint import Checkpoint
from parity.training.fingerprint import fingerprint
from parity.training.run import Outcome, Settings
from parity.training.store import Store, StoreError, TrainingFiles, TrainingStatus, locked, save, training_status
from parity.weights.state import State, digest
from parity.workers.frameworks import FRAMEWORKS
from tests.reports.report_records import CROSS, EPOCH, PROOFS

ROOT = Path(__file__).resolve().parents[2]

CONFIGURATION: dict[str, Any] = {"network": "lenet5", "seed": 3}

EPOCHS = 2

ENVIRONMENT = {"profile": "train", "cores": 2}

DETECTION = Detection("lenet5", "bn-epsilon", "1e-5", "paddle", "conv1", 2, 1, 1e6, True, True)


def weights(value: float = 1.0) -> State:
    return {"head/fc1/kernel": np.full((40, 12), value, np.float32)}


def outcome(state: State | None, **changes: Any) -> Outcome:
    """A training of two epochs that came to these weights, or stopped after the first one."""
    epochs = [replace(EPOCH, epoch=epoch, seconds=1.5) for epoch in range(1, (EPOCHS if state else 1) + 1)]
    facts: dict[str, Any] = {
        "network": "lenet5", "framework": "paddle", "recipe": "mini", "dataset": "generated 10-class shapes",
        "train_images": 400, "test_images": 400, "batch": 100, "seed": 3, "mode": "eager", "precision": "float32",
        "device": "cpu", "threads": 2, "epochs": epochs, "epochs_planned": EPOCHS, "seconds": 3.0,
        "first_seconds": 0.2, "peak_memory": 1, "initial_digest": "a", "batches_digest": "b",
        "problems": [] if state else ["interrupted"], "configuration": fingerprint(CONFIGURATION),
        "weights_digest": digest(state) if state else "", "sessions": [],
    }  # fmt: skip
    return Outcome(Training(**(facts | changes)), state)


def leave_checkpoint(files: TrainingFiles) -> None:
    """As a training leaves one after its first epoch."""
    Checkpoint(CONFIGURATION, {"state:head/fc1/kernel": weights()["head/fc1/kernel"]}, [EPOCH], [], {}, []).save(
        files.checkpoint
    )


@pytest.fixture
def files(tmp_path: Path) -> TrainingFiles:
    return Store(tmp_path / "runs").files("lenet5", "paddle", Settings(seed=3))


def file_names(files: TrainingFiles) -> list[str]:
    return sorted(path.name for path in files.folder.iterdir())


def status(files: TrainingFiles, epochs: int = EPOCHS, **changes: Any) -> TrainingStatus:
    return training_status(files, CONFIGURATION | changes, epochs)


@pytest.mark.parametrize(
    ("name", "settings", "stem"),
    [
        ("lenet5", Settings(seed=3), "lenet5-paddle-seed3"),
        ("lenet5", Settings(recipe=recipe_of("mini")), "lenet5-paddle-seed0"),
        ("lenet5", Settings(recipe=recipe_of("mini-noaug")), "lenet5-paddle-seed0-mini-noaug"),
        ("lenet5", Settings(recipe=recipe_of("keras_vgg")), "lenet5-paddle-seed0-keras_vgg"),
        ("vgg16-100c", Settings(seed=1, precision="bfloat16"), "vgg16-100c-paddle-seed1-bfloat16"),
    ],
)
def test_a_stem_names_what_is_not_the_networks_own(tmp_path: Path, name: str, settings: Settings, stem: str) -> None:
    assert Store(tmp_path).files(name, "paddle", settings).stem == stem


def test_a_finished_training_is_found_again(files: TrainingFiles) -> None:
    assert status(files) == TrainingStatus()
    leave_checkpoint(files)
    save(files, outcome(None), ENVIRONMENT)
    assert file_names(files) == ["lenet5-paddle-seed3-partial.json", "lenet5-paddle-seed3.checkpoint.safetensors"]
    assert status(files) == TrainingStatus(epochs=1)

    assert save(files, outcome(weights()), ENVIRONMENT) == files.record
    assert file_names(files) == ["lenet5-paddle-seed3.json", "lenet5-paddle-seed3.safetensors"]
    again = status(files).finished
    assert again is not None
    assert again.record == outcome(weights()).record
    assert again.weights is not None
    assert digest(again.weights) == digest(weights())
    run = load_run(files.record)
    assert run.environment == Environment(profile="train", cores=2)
    assert json.loads(files.record.read_text())["machine_info"]["parity"] == ENVIRONMENT
    assert [stats.median for _, stats in run.entries] == [3.0]


def test_a_partial_result_does_not_take_the_place_of_a_finished_one(files: TrainingFiles) -> None:
    save(files, outcome(weights()), ENVIRONMENT)
    save(files, outcome(None), ENVIRONMENT)
    assert status(files).finished is not None
    assert json.loads(files.partial.read_text())["benchmarks"][0]["extra_info"]["problems"] == ["interrupted"]


def test_a_finished_training_with_problems_is_finished(files: TrainingFiles) -> None:
    """One that diverged would only diverge again."""
    save(files, outcome(weights(), problems=["epoch 2: the loss is not a number"]), ENVIRONMENT)
    again = status(files).finished
    assert again is not None
    assert again.record.problems


def damage_weights(files: TrainingFiles) -> None:
    content = bytearray(files.weights.read_bytes())
    content[-10] ^= 1
    files.weights.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (damage_weights, "are not the weights that lenet5-paddle-seed3.json describes"),
        (lambda files: files.weights.unlink(), "no such file"),
        (lambda files: files.weights.write_bytes(files.weights.read_bytes()[:900]), "not a whole safetensors file"),
        (lambda files: files.record.write_text(files.record.read_text()[:500]), "cannot be read as a saved run"),
        (lambda files: files.record.write_text('{"benchmarks": []}'), "holds no training"),
    ],
    ids=["weights flipped", "weights gone", "weights cut", "record cut", "record empty"],
)
def test_a_damaged_result_is_not_taken_for_finished(files: TrainingFiles, harm: Any, reason: str) -> None:
    save(files, outcome(weights()), ENVIRONMENT)
    harm(files)
    assert status(files).finished is None
    assert reason in status(files).replaces


def test_another_configuration_or_length_is_not_taken_for_finished(files: TrainingFiles) -> None:
    save(files, outcome(weights()), ENVIRONMENT)
    left = {name: (files.folder / name).read_bytes() for name in file_names(files)}
    assert "its configuration is another one" in status(files, seed=4).replaces
    assert "expected 3 epochs, found 2" in status(files, epochs=3).replaces
    assert status(files, seed=4).finished is status(files, epochs=3).finished is None
    assert {name: (files.folder / name).read_bytes() for name in file_names(files)} == left


def test_weights_are_written_before_the_record_and_the_checkpoint_is_removed_last(files: TrainingFiles) -> None:
    """Each step is made to fail in turn, by a directory in the file's way."""
    leave_checkpoint(files)
    (files.weights / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        save(files, outcome(weights()), ENVIRONMENT)
    assert not files.record.exists()
    assert files.checkpoint.exists()

    (files.weights / "in the way").rmdir()
    files.weights.rmdir()
    (files.record / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        save(files, outcome(weights()), ENVIRONMENT)
    assert files.weights.is_file()
    assert status(files).epochs == 1  # so it goes on from there


class Interrupting(dict[str, np.ndarray]):
    """A state that sends Ctrl-C to this process while it is being written."""

    def items(self) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return super().items()


@pytest.fixture
def ctrl_c() -> Iterator[Any]:
    """What Python does at Ctrl-C, for tests that a shell has started in the background, too: there it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_saving_takes_effect_once_all_is_written(files: TrainingFiles, ctrl_c: Any) -> None:
    leave_checkpoint(files)
    with pytest.raises(KeyboardInterrupt):
        save(files, Outcome(outcome(weights()).record, Interrupting(weights())), ENVIRONMENT)
    assert file_names(files) == ["lenet5-paddle-seed3.json", "lenet5-paddle-seed3.safetensors"]
    assert status(files).finished is not None
    assert signal.getsignal(signal.SIGINT) is ctrl_c


HOLD = """
import sys, time
from pathlib import Path
from parity.training.store import TrainingFiles, locked
with locked(TrainingFiles(Path(sys.argv[1]), sys.argv[2])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_two_processes_do_not_train_the_same_and_a_killed_one_does_not_block(files: TrainingFiles) -> None:
    command = [sys.executable, "-c", HOLD, str(files.folder), files.stem]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            with pytest.raises(StoreError, match="another process is training lenet5-paddle-seed3"), locked(files):
                pass
            with locked(dataclasses.replace(files, stem="lenet5-paddle-seed4")):
                pass
        finally:
            other.send_signal(signal.SIGKILL)
        assert other.wait(timeout=20) == -signal.SIGKILL
    with locked(files), pytest.raises(StoreError), locked(files):  # and again in this process
        pass
    with locked(files):
        pass


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="expected a directory that can be written to, found: a file"):
        Store(tmp_path / "file")
    with pytest.raises(StoreError, match="Choose another"):
        Store(tmp_path / "file" / "below")


def test_a_comparison_is_saved_and_read_as_it_was(tmp_path: Path) -> None:
    trainings = {name: [outcome(weights(), framework=name, seed=seed).record for seed in (1, 2)] for name in FRAMEWORKS}
    compared = equivalence(trainings)
    path = Store(tmp_path).outcome_path("lenet5", Settings())
    assert path.name == "lenet5-outcome.json"
    save_records(path, [compared], ENVIRONMENT)
    ((record, _),) = load_run(path).entries
    assert isinstance(record, Equivalence)
    assert record == compared


def test_no_two_records_of_a_file_share_a_name(tmp_path: Path) -> None:
    """pytest-benchmark's own tools take what has the same fullname for the same thing."""
    records: list[Record] = [replace(proof, network=name) for name in ("lenet5", "vgg16") for proof in PROOFS]
    records += [replace(PROOFS[-1], title="optimizer steps: sgd"), CROSS, replace(CROSS, trained_in="tensorflow")]
    records += [DETECTION, replace(DETECTION, stage="conv2"), replace(DETECTION, level=2)]
    save_records(tmp_path / "run.json", records, ENVIRONMENT)
    entries = json.loads((tmp_path / "run.json").read_text())["benchmarks"]
    assert len({entry["fullname"] for entry in entries}) == len(records)
    assert entries[0]["fullname"] == f"proof[lenet5-level{PROOFS[0].level}]"
    done = subprocess.run(
        [Path(sys.executable).with_name("pytest-benchmark"), "compare", "run.json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.count("proof[lenet5-level") == len(PROOFS) + 1
