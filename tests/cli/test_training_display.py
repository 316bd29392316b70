"""The display of a running training: the pace, the seeds, and a training that continues."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from parity.cli.training_display import TrainingDisplay
from parity.records.records import Epoch
from parity.training.run import Progress

STEPS = 10


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def progress_of(epoch: int, step: int, *, seed: int = 0, done: bool = False) -> Progress:
    """Of a training of four epochs."""
    record = Epoch(epoch, 1e-3, 2.0, 0.25, 1.9, 0.5, 5.0, 200.0) if done else None
    return Progress("lenet5", "paddle", epoch, 4, step, STEPS, 2.0, 0.25, record, seed)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[False, True], ids=["piped", "terminal"])
def console(request: pytest.FixtureRequest) -> Console:
    return Console(file=io.StringIO(), force_terminal=request.param, width=120, highlight=False)


def shown(display: TrainingDisplay) -> str:
    plain = Console(file=io.StringIO(), width=120)
    plain.print(display.table)
    return str(plain.file.getvalue())  # type: ignore[attr-defined]


def test_a_training_that_continues_shows_the_time_left_from_its_own_pace(console: Console, clock: Clock) -> None:
    """Two of its four epochs were trained by another process; one step takes a second now."""
    display = TrainingDisplay(["paddle"], 100, console=console, clock=clock)
    display.update(progress_of(0, 0))
    assert "preparing" in shown(display)
    clock.now += 50  # compiling
    display.update(progress_of(3, 1))
    clock.now += 4
    display.update(progress_of(3, 5))
    assert "3/4" in shown(display)
    assert "100" in shown(display)  # images a second
    assert "0:00:15" in shown(display)  # 5 steps of this epoch, 10 of the next


def test_the_next_seed_takes_the_row_over_and_the_last_one_leaves_a_line(console: Console, clock: Clock) -> None:
    with TrainingDisplay(["paddle", "tensorflow"], 100, several_seeds=True, console=console, clock=clock) as display:
        assert shown(display).count("waiting") == 2
        display.update(progress_of(4, STEPS, seed=3, done=True))
        assert "PaddlePaddle, seed 3" in shown(display)
        assert "done" in shown(display)
        display.update(progress_of(0, 0, seed=4))
        assert "PaddlePaddle, seed 4" in shown(display)
        assert "seed 3" not in shown(display)
        display.note("a note")
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "PaddlePaddle, seed 3, epoch 4/4: loss 2.0000, train accuracy 25.0%, test accuracy 50.0%" in printed
    assert "a note" in printed


def test_one_seed_is_not_named(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=200)
    with TrainingDisplay(["paddle"], 100, console=console, clock=clock) as display:
        display.update(progress_of(1, STEPS, done=True))
    assert console.file.getvalue().startswith("PaddlePaddle, epoch 1/4: ")  # type: ignore[attr-defined]
