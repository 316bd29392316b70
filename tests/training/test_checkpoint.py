"""Checkpoints: what is written is what is read, and a damaged one, or one of another training, is refused."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.records.records import Epoch, TrainingSession
from parity.training.checkpoint import Checkpoint, CheckpointError
from parity.weights.files import save_state

CONFIGURATION: dict[str, Any] = {
    "network": "lenet5",
    "recipe": {"name": "mini", "epochs": None, "drops": [[81, 0.1]]},
    "seed": 3,
    "threads": 2,
    "data set": "0123",
}

EPOCHS = 4


def checkpoint(epochs: int = 2) -> Checkpoint:
    """One of lenet5's size after so many epochs, with numbers drawn anew for every epoch."""
    random = np.random.default_rng(epochs)
    names = ("state:head/fc1/kernel", "optimizer:moment1 head/fc1/kernel", "optimizer:moment2 head/fc1/kernel")
    return Checkpoint(
        configuration=CONFIGURATION,
        arrays={name: random.standard_normal((400, 120)).astype(np.float32) for name in names},
        epochs=[Epoch(epoch, 0.1, 2.3 / epoch, 0.3, 2.2, 0.2, 1.5, 266.0) for epoch in range(1, epochs + 1)],
        sessions=[TrainingSession(0, 0.1)],
        digests={"initial": "a", "batches": "b"},
        problems=[],
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint's file."""
    path = tmp_path / "lenet5-paddle-seed3.checkpoint.safetensors"
    checkpoint().save(path)
    return path


def load(path: Path, configuration: Mapping[str, Any] = CONFIGURATION) -> Checkpoint | None:
    return Checkpoint.load(path, configuration, EPOCHS)


def test_what_was_saved_is_loaded_bit_for_bit(path: Path) -> None:
    loaded, saved = load(path), checkpoint()
    assert loaded is not None
    assert loaded.arrays.keys() == saved.arrays.keys()
    assert all(array.tobytes() == saved.arrays[name].tobytes() for name, array in loaded.arrays.items())
    assert replace(loaded, arrays={}) == replace(saved, arrays={})


def test_no_file_is_no_checkpoint(tmp_path: Path) -> None:
    assert load(tmp_path / "none.safetensors") is None


def test_a_flipped_byte_anywhere_is_refused_and_the_file_left_as_it_is(path: Path) -> None:
    whole = path.read_bytes()
    offsets = [*range(0, 1500, 37), *range(1500, len(whole), len(whole) // 40), len(whole) - 1]
    for offset in offsets:
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="expected a checkpoint, found"):
            load(path)
        assert path.read_bytes() == damaged
    assert len(offsets) > 80


def other_safetensors(path: Path) -> None:
    save_state({"conv/kernel": np.zeros((3, 3), np.float32)}, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "not a whole safetensors file"),
        (lambda path: path.write_bytes(path.read_bytes()[:300_000]), "not a whole safetensors file"),
        (lambda path: path.write_bytes(b""), "not a whole safetensors file"),
        (lambda path: path.write_text("epoch 2"), "not a whole safetensors file"),
        (other_safetensors, "not one of this suite's"),
    ],
    ids=["last byte missing", "half", "empty", "text", "weights"],
)
def test_what_is_no_whole_checkpoint_is_refused_with_the_reason(path: Path, damage: Any, message: str) -> None:
    damage(path)
    left = path.read_bytes()
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "remove it or move it away" in str(caught.value)
    assert path.read_bytes() == left


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "seed: expected 4, found 3"),
        ({"threads": 1}, "threads: expected 1, found 2"),
        ({"recipe": {"name": "mini-noaug", "epochs": None, "drops": [[81, 0.1]]}}, "mini-noaug"),
        ({"data set": "4567"}, "data set: expected '4567', found '0123'"),
        ({"precision": "float32"}, "precision: expected 'float32', found None"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_trainings_checkpoint_is_refused_with_what_differs(
    path: Path, change: dict[str, Any], message: str
) -> None:
    left = path.read_bytes()
    with pytest.raises(CheckpointError, match="another training") as caught:
        load(path, CONFIGURATION | change)
    assert message in str(caught.value)
    assert str(caught.value).count("expected") == 1
    assert path.read_bytes() == left


def test_a_checkpoint_past_the_epochs_asked_for_is_refused(path: Path) -> None:
    """Its weights are not those after the first of its epochs."""
    assert Checkpoint.load(path, CONFIGURATION, 2) is not None
    with pytest.raises(CheckpointError, match="within 1 epochs, found 2"):
        Checkpoint.load(path, CONFIGURATION, 1)


@pytest.fixture
def little_room() -> Iterator[int]:
    """No file of this process may grow beyond so many bytes: what a full disk looks like, without being root."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield size
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_oserror_and_keeps_the_earlier_checkpoint(path: Path, little_room: int) -> None:
    assert path.stat().st_size > little_room
    left = path.read_bytes()
    with pytest.raises(OSError, match="too large"):
        checkpoint(3).save(path)
    assert path.read_bytes() == left
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # nothing half-written stays
    loaded = load(path)
    assert loaded is not None
    assert len(loaded.epochs) == 2
