"""Changes that `parity compare` suggests: made, proven, in the user's terms, of either model."""

from dataclasses import dataclass

import pytest

from parity.migration.compare import compare_pair
from parity.migration.recorded_pair import RecordedPair
from parity.migration.specs import input_specs, model_specs
from parity.records.records import Migration
from parity.workers.pool import Workers

KERAS, PADDLE = "tests.migration.written_keras", "tests.migration.written_paddle"


@dataclass(frozen=True)
class Row:
    """Two chains of layers that differ in one thing.

    Attributes:
        tensorflow: constructors of the TensorFlow model's layers.
        paddle: those of the Paddle model's.
        shape: as for `--input`.
        in_paddle: the change of the Paddle model; empty where there is none.
        in_tensorflow: the change of the TensorFlow model; empty where there is none.
    """

    name: str
    tensorflow: tuple[str, ...]
    paddle: tuple[str, ...]
    shape: str
    in_paddle: str
    in_tensorflow: str

    def compared(self, workers: Workers, fix: str) -> Migration:
        tokens = ", tokens=True" if "int" in self.shape else ""
        first = f"{KERAS}:chain({', '.join(map(repr, self.tensorflow))}{tokens})"
        second = f"{PADDLE}:chain({', '.join(map(repr, self.paddle))})"
        return compared(workers, first, second, self.shape, fix)


def compared(workers: Workers, first: str, second: str, shape: str, fix: str, *, training: bool = False) -> Migration:
    pair = RecordedPair(workers, model_specs(first, second, input_specs([shape])))
    return compare_pair(pair, fix=fix, impact=False, training=training)


CONV = "layers.Conv2D(4, 3, padding='same')", "nn.Conv2D(3, 4, 3, padding=1)"


def maps(name: str, tensorflow: str, paddle: str, in_paddle: str, in_tensorflow: str, shape: str = "8,8,3") -> Row:
    """One layer behind a convolution."""
    return Row(name, (CONV[0], tensorflow), (CONV[1], paddle), shape, in_paddle, in_tensorflow)


def rows(name: str, tensorflow: str, paddle: str, in_paddle: str, in_tensorflow: str, shape: str = "8") -> Row:
    """One layer behind a fully connected one, of rows or sequences."""
    return Row(name, ("layers.Dense(6)", tensorflow), ("nn.Linear(8, 6)", paddle), shape, in_paddle, in_tensorflow)


ROWS = [
    maps(
        "batch norm",
        "layers.BatchNormalization()",
        "nn.BatchNorm2D(4)",
        "in 1: nn.BatchNorm2D(4, epsilon=0.001)",
        "in b: layers.BatchNormalization(epsilon=1e-05)",
    ),
]


@pytest.mark.parametrize("fix", ["paddle", "tensorflow"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_change_is_made_proven_and_written_as_a_constructor(workers: Workers, row: Row, fix: str) -> None:
    migration = row.compared(workers, fix)
    change = row.in_paddle if fix == "paddle" else row.in_tensorflow
    assert migration.verdict == "different"
    assert migration.causes
    assert migration.changes == ([change] if change else [])
    assert migration.fixed_verdict == ("equal" if change else None)
    assert bool(migration.fix) == bool(change)
    assert bool(migration.by_hand) != bool(change)
