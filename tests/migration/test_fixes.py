"""Changes that `parity compare` suggests: made, proven, in the user's terms, of either model."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from parity.migration.compare import compare_pair
from parity.migration.proven_fix import UNPROVEN
from parity.migration.recorded_pair import RecordedPair
from parity.migration.specs import input_specs, model_specs
from parity.records.records import Migration
from parity.workers.pool import Workers
from tests.command_line import ROOT

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


def sequences(name: str, tensorflow: str, paddle: str, in_paddle: str, in_tensorflow: str) -> Row:
    """One layer behind a fully connected one, of sequences."""
    return rows(name, tensorflow, paddle, in_paddle, in_tensorflow, "7,8")


ROWS = [
    maps(
        "batch norm",
        "layers.BatchNormalization()",
        "nn.BatchNorm2D(4)",
        "in 1: nn.BatchNorm2D(4, epsilon=0.001)",
        "in b: layers.BatchNormalization(epsilon=1e-05)",
    ),
]


QUICK = ("batch norm", "same padding", "bias missing", "gelu of dense")


def of_both_sides() -> list[Any]:
    return [
        pytest.param(row, fix, id=f"{row.name} {fix}", marks=() if row.name in QUICK else pytest.mark.slow)
        for row in ROWS
        for fix in ("paddle", "tensorflow")
    ]


@pytest.mark.parametrize(("row", "fix"), of_both_sides())
def test_a_change_is_made_proven_and_written_as_a_constructor(workers: Workers, row: Row, fix: str) -> None:
    migration = row.compared(workers, fix)
    change = row.in_paddle if fix == "paddle" else row.in_tensorflow
    assert migration.verdict == "different"
    assert migration.causes
    assert migration.changes == ([change] if change else [])
    assert migration.fixed_verdict == ("equal" if change else None)
    assert bool(migration.fix) == bool(change)
    assert bool(migration.by_hand) != bool(change)


@pytest.mark.parametrize(
    ("first", "second", "fix", "change"),
    [
        ("Subclassed()", "Subclassed()", "paddle", "in norm: nn.BatchNorm1D(6, epsilon=0.001, momentum=0.99)"),
        (
            "Subclassed()",
            "Subclassed()",
            "tensorflow",
            "in block/norm: layers.BatchNormalization(momentum=0.9, epsilon=1e-05)",
        ),
        ("nested()", "Nested()", "paddle", "in norm: nn.BatchNorm1D(6, epsilon=0.001, momentum=0.99)"),
        (
            "nested()",
            "Nested()",
            "tensorflow",
            "in inner/norm: layers.BatchNormalization(momentum=0.9, epsilon=1e-05)",
        ),
    ],
)
def test_layers_within_others_and_used_twice_are_changed_where_they_are(
    workers: Workers, first: str, second: str, fix: str, change: str
) -> None:
    migration = compared(workers, f"{KERAS}:{first}", f"{PADDLE}:{second}", "8", fix)
    assert migration.verdict == "different"
    assert migration.changes == [change]
    assert migration.fixed_verdict == "equal"
    assert migration.by_hand == []


@pytest.mark.parametrize("fix", ["paddle", "tensorflow"])
def test_a_padding_that_is_cropped_away_is_right_and_stays(workers: Workers, fix: str) -> None:
    row = maps(
        "crop", "layers.Conv2D(5, 3, padding='same')", "nn.Sequential(nn.Conv2D(4, 5, 3, padding=2), Cropped())", "", ""
    )
    migration = row.compared(workers, fix)
    assert migration.verdict == "equal"
    assert (migration.fix, migration.changes, migration.by_hand) == ("", [], [])
    assert migration.fixed_verdict is None


def test_what_can_be_changed_is_where_the_rest_cannot(workers: Workers) -> None:
    norm, up = "layers.BatchNormalization(momentum=0.9)", "layers.Conv2DTranspose(5, 3, strides=2, padding='same')"
    theirs = "nn.BatchNorm2D(4)", "nn.Conv2DTranspose(4, 5, 3, stride=2, padding=1, output_padding=1)"
    row = Row("two", (CONV[0], norm, up), (CONV[1], *theirs), "8,8,3", "", "")
    migration = row.compared(workers, "tensorflow")
    assert {cause.stage for cause in migration.causes} == {"b", "c"}
    assert migration.changes == ["in b: layers.BatchNormalization(momentum=0.9, epsilon=1e-05)"]
    assert migration.fixed_verdict == "different"
    (left,) = migration.by_hand
    assert left.startswith("c / 2: conv transpose crop")
    assert len(row.compared(workers, "paddle").changes) == 2


def test_a_change_that_does_not_help_is_not_suggested(workers: Workers) -> None:
    """Spectral norm divides a kernel by a number that no padding makes up for."""
    hooked = "nn.utils.spectral_norm(nn.Conv2D(4, 5, 3, stride=2, padding=1))"
    row = maps("hook", "layers.Conv2D(5, 3, strides=2, padding='same')", hooked, "", "")
    migration = row.compared(workers, "tensorflow")
    assert migration.verdict == "different"
    assert (migration.fix, migration.changes, migration.fixed_verdict) == ("", [], None)
    assert any(line.endswith(UNPROVEN) for line in migration.by_hand)


def test_what_training_alone_shows_is_proven_there(workers: Workers) -> None:
    row = rows("rate", "layers.Dropout(0.3)", "nn.Dropout(0.5)", "", "")
    for fix, change in (("paddle", "in 1: nn.Dropout(p=0.3)"), ("tensorflow", "in b: layers.Dropout(0.5)")):
        migration = row.compared(workers, fix)
        assert migration.verdict == "equal"
        assert migration.changes == [change]
        assert migration.fixed_verdict == "equal"


def test_a_mask_is_taken_away_by_hand(workers: Workers) -> None:
    mine = "layers.Embedding(20, 6, mask_zero=True)", "layers.LSTM(5, return_sequences=True)"
    row = Row("mask", mine, ("nn.Embedding(20, 6)", "Last(nn.LSTM(6, 5))"), "7:int:20", "", "")
    (line,) = row.compared(workers, "tensorflow").by_hand
    assert line.endswith("in a of TensorFlow write layers.Embedding(20, 6, mask_zero=False)")
    (line,) = row.compared(workers, "paddle").by_hand
    assert "sequence_length" in line


@pytest.mark.parametrize(
    ("fix", "setup"),
    [
        (
            "paddle",
            "import paddle\n"
            "from tests.migration.written_paddle import Subclassed\n"
            "model = Subclassed()\n"
            "for _, tensor in model.state_dict().items():\n"
            "    tensor.set_value(paddle.rand(tensor.shape))\n"
            "state = lambda: [(name, tensor.numpy().copy()) for name, tensor in model.state_dict().items()]\n"
            "changed = lambda: model.norm._epsilon\n",
        ),
        (
            "tensorflow",
            "import numpy as np\n"
            "from tests.migration.written_keras import Subclassed\n"
            "model = Subclassed()\n"
            "model(np.ones([2, 8]))\n"
            "model.set_weights([np.random.rand(*array.shape) for array in model.get_weights()])\n"
            "state = lambda: [(one.path, one.numpy()) for one in model.variables]\n"
            "changed = lambda: model.block.norm.epsilon\n",
        ),
    ],
)
def test_the_code_keeps_a_models_weights(workers: Workers, fix: str, setup: str) -> None:
    migration = compared(workers, f"{KERAS}:Subclassed()", f"{PADDLE}:Subclassed()", "8", fix)
    check = (
        "before, old = state(), changed()\n"
        "fix(model)\n"
        "after = state()\n"
        "assert len(before) >= 8, before\n"
        "assert [name for name, _ in before] == [name for name, _ in after], (before, after)\n"
        "assert all((one == other).all() for (_, one), (_, other) in zip(before, after)), (before, after)\n"
        "assert changed() != old\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{migration.fix}\n{setup}{check}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
