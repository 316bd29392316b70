"""Show a run matrix: a bar for each training that runs, and one for all; elsewhere than on a terminal, plain lines."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from parity.cli.console import stderr
from parity.training.jobs import Job
from parity.training.run import Progress
from parity.workers.frameworks import FRAMEWORKS


class MatrixDisplay:
    """A display of trainings that run at the same time, used as a context manager.

    Args:
        trainings: how many there are in all.
        console: `stderr()` unless given.
    """

    def __init__(self, trainings: int, *, console: Console | None = None) -> None:
        self.console = console or stderr()
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}  {task.fields[result]}", markup=False),
            TimeRemainingColumn(),
            console=self.console,
            redirect_stdout=False,
            disable=not self.console.is_terminal,
        )
        self._all = self._bars.add_task("trainings", total=trainings, unit="done", result="")
        self._running: dict[tuple[str, str, int], TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def update(self, progress: Progress) -> None:
        """Show the progress of a training; this is the `on_progress` callback of an engine."""
        key = progress.network, progress.framework, progress.seed
        title = f"{progress.network}, {FRAMEWORKS[progress.framework].title}, seed {progress.seed}"
        if key not in self._running:
            self._running[key] = self._bars.add_task(title, total=progress.epochs, unit="epochs", result="")
        task = self._running[key]
        if progress.record is None:
            done = max(progress.epoch - 1, 0) + (progress.step / progress.steps if progress.epoch else 0)
            self._bars.update(task, completed=round(done, 2))
            return
        accuracy = f"test accuracy {progress.record.test_accuracy:.1%}"
        self._bars.update(task, completed=progress.epoch, result=accuracy)
        if self._bars.disable or progress.epoch == progress.epochs:
            self.note(
                f"{title}, epoch {progress.epoch}/{progress.epochs}: loss {progress.loss:.4f}, {accuracy}, "
                f"{progress.record.images_per_second:,.0f} images/s"
            )

    def end(self, job: Job) -> None:
        """Count a training that runs no more, whatever became of it; this is the `on_end` callback of an engine."""
        key = job.network, job.worker.framework, job.settings.seed
        if key in self._running:
            self._bars.remove_task(self._running.pop(key))
        self._bars.advance(self._all)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self.console.print(text, soft_wrap=True)
