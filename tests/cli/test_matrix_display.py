"""The display of trainings that run at the same time."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from parity.cli.matrix_display import MatrixDisplay
from parity.data.dataset import Dataset
from parity.training.jobs import Job
from parity.training.run import Progress, Settings
from parity.workers.pool import Workers


def shown(display: MatrixDisplay) -> list[str]:
    plain = Console(file=io.StringIO(), width=120)
    plain.print(display._bars)
    return str(plain.file.getvalue()).splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("begun", [True, False])
def test_a_training_counts_when_it_ends_whatever_became_of_it(begun: bool, dataset: Dataset) -> None:
    """One that failed after an epoch, and one that was finished before and never showed progress."""
    job = Job(Workers()["paddle"], "lenet5", dataset, Settings(seed=3), None)
    display = MatrixDisplay(2, console=Console(file=io.StringIO(), force_terminal=True, width=120))
    if begun:
        display.update(Progress("lenet5", "paddle", 1, 4, 5, 10, seed=3))
        assert any("lenet5, PaddlePaddle, seed 3" in line for line in shown(display))
    assert "0/2" in shown(display)[0]
    display.end(job)
    (line,) = shown(display)
    assert "1/2" in line
