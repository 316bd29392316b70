"""Show a running training: a live table on a terminal, one plain line per finished epoch elsewhere.

Everything goes to standard error, so that standard output holds results only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column, Table
from rich.text import Text

from parity.cli.console import stderr
from parity.training.run import Progress
from parity.workers.frameworks import FRAMEWORKS

HEADINGS = ("epoch", "step", "images/s", "loss", "train", "test")


class _Table(Bars):
    """rich's bars, with a heading for each column."""

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        table = super().make_tasks_table(tasks)
        table.show_header, table.header_style, table.padding = True, "dim", (0, 2, 0, 0)
        return table


class _TimeLeft(TimeRemainingColumn):
    """h:mm:ss to the expected end of the training, from its pace since the first step, evaluations included."""

    def render(self, task: Task) -> Text:
        return Text("done") if task.finished else super().render(task)


@dataclass
class _Row:
    """One framework's bars: the shown one counts the steps of the training, a hidden one those of the epoch."""

    training: TaskID
    epoch: TaskID
    seed: int | None = None  # None: it has not started
    number: int = 0  # of the epoch


class TrainingDisplay:
    """A display of one network's trainings in one or more frameworks, used as a context manager.

    Each framework has a row, which its next seed uses again; a line above the rows then shows the last seed's result.

    Args:
        frameworks: names, in the order in which they train.
        batch: images per step.
        several_seeds: whether to show the seed.
        console: `stderr()` unless given.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        frameworks: Sequence[str],
        batch: int,
        *,
        several_seeds: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console or stderr()
        self._batch, self._several_seeds = batch, several_seeds
        self._left = _TimeLeft(table_column=_column("left"))
        self.table = _Table(
            TextColumn("{task.description}", markup=False),
            BarColumn(14),
            *(_text_column(heading) for heading in HEADINGS),
            self._left,
            console=self.console,
            refresh_per_second=4,
            speed_estimate_period=math.inf,
            redirect_stdout=False,
            get_time=clock,
            disable=not self.console.is_terminal,
        )
        self._rows = {name: self._row(FRAMEWORKS[name].title) for name in frameworks}

    def _row(self, title: str) -> _Row:
        training = self.table.add_task(title, total=1, **_fields(epoch="waiting"))
        return _Row(training, self.table.add_task("", visible=False))

    def __enter__(self) -> Self:
        self.table.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.table.stop()

    def update(self, progress: Progress) -> None:
        """Show the progress of a training; this is the `on_progress` callback of `parity.training`."""
        row, table, total = self._rows[progress.framework], self.table, progress.epochs * progress.steps
        if row.seed != progress.seed:
            title = FRAMEWORKS[progress.framework].title + (f", seed {progress.seed}" if self._several_seeds else "")
            table.reset(row.training, start=False, total=total, description=title, **_fields(epoch="preparing"))
            row.seed, row.number = progress.seed, 0
        if progress.epoch == 0:  # compiling, which does not count for the pace
            return
        table.start_task(row.training)
        if row.number != progress.epoch:
            table.reset(row.epoch, total=progress.steps)
            row.number = progress.epoch
        table.update(row.epoch, completed=progress.step)
        shown: dict[str, Any] = {
            "epoch": f"{progress.epoch}/{progress.epochs}",
            "step": f"{progress.step}/{progress.steps}",
            "loss": f"{progress.loss:.4f}",
            "train": f"{progress.accuracy:.1%}",
        }
        done = (progress.epoch - 1) * progress.steps + progress.step
        if progress.record is not None:
            shown |= {
                "images/s": f"{progress.record.images_per_second:,.0f}",
                "test": f"{progress.record.test_accuracy:.1%}",
            }
        else:
            done = min(done, total - 1)  # the last evaluation has not finished
            if speed := table.tasks[row.epoch].speed:
                shown |= {"images/s": f"{speed * self._batch:,.0f}"}
        table.update(row.training, completed=done, **shown)
        task = table.tasks[row.training]
        if progress.record is not None and (table.disable or (self._several_seeds and task.finished)):
            self.note(self._line(task))

    def note(self, text: str) -> None:
        """Print a line above the rows."""
        self.console.print(text, soft_wrap=True)

    def _line(self, task: Task) -> str:
        fields = task.fields
        left = "" if task.finished or task.time_remaining is None else f", {self._left(task)} left"
        return (
            f"{task.description}, epoch {fields['epoch']}: loss {fields['loss']}, train accuracy {fields['train']}, "
            f"test accuracy {fields['test']}, {fields['images/s']} images/s{left}"
        )


def _fields(**texts: str) -> dict[str, Any]:
    return dict.fromkeys(HEADINGS, "") | texts


def _text_column(heading: str) -> TextColumn:
    field = f"{{task.fields[{heading}]}}"
    return TextColumn(field, markup=False, justify="right", table_column=_column(heading))


def _column(heading: str) -> Column:
    return Column(heading, justify="right", no_wrap=True)
