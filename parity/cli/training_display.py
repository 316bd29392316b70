"""Show a running training: a live table on a terminal, one plain line per finished epoch elsewhere.

Everything goes to standard error, so that standard output holds results only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from parity.cli.console import stderr
from parity.training.run import Progress
from parity.workers.frameworks import FRAMEWORKS


@dataclass
class _Row:
    """What is known of one framework's training."""

    title: str
    batch: int
    news: Progress | None = None  # None: its turn has not come
    rate: float | None = None  # images a second
    test_accuracy: float | None = None
    end: float | None = None  # the clock's reading at the expected end
    _first: tuple[float, int] | None = None  # clock and steps done at the first news of a step
    _mark: tuple[int, float, int] = (0, 0.0, 0)  # epoch, clock and step at this epoch's first news

    def update(self, news: Progress, now: float) -> None:
        """Take in news that came at `now`."""
        self.news = news
        if news.epoch == 0:  # compiling, which tells nothing about the pace
            return
        if self._mark[0] != news.epoch:
            self._mark = news.epoch, now, news.step
        _, since, from_step = self._mark
        if news.record is not None:
            self.rate, self.test_accuracy = news.record.images_per_second, news.record.test_accuracy
        elif news.step > from_step and now > since:
            self.rate = (news.step - from_step) * self.batch / (now - since)
        self._expect_end(news, now)

    def _expect_end(self, news: Progress, now: float) -> None:
        """The pace since the first step, evaluations included, goes on to the end."""
        done, total = self.done, news.epochs * news.steps
        if self._first is None:
            self._first = now, done
        began, before = self._first
        if done > before:
            self.end = now + (now - began) / (done - before) * (total - done)
        elif news.record is not None:
            self.end = now + news.record.seconds / news.steps * (total - done)

    @property
    def done(self) -> int:
        """Steps of all epochs so far."""
        return max(0, self.news.epoch - 1) * self.news.steps + self.news.step if self.news else 0

    @property
    def finished(self) -> bool:
        """Whether the last epoch is complete."""
        return self.news is not None and self.news.record is not None and self.news.epoch == self.news.epochs


class TrainingDisplay:
    """A display of one network's trainings in one or more frameworks, used as a context manager.

    Each framework has a row, which the next seed's training takes over; a line above the rows tells how the last ended.

    Args:
        frameworks: names, in the order in which they train.
        batch: images a step.
        several_seeds: whether to name the seed.
        console: for standard error unless given.
        clock: seconds that only grow.
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
        self.clock = clock
        self._batch, self._several_seeds = batch, several_seeds
        self._rows = {name: _Row(FRAMEWORKS[name].title, batch) for name in frameworks}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self.table, console=self.console, refresh_per_second=4, redirect_stdout=False
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, news: Progress) -> None:
        """Take in news of a training."""
        row = self._rows[news.framework]
        if row.news is None or row.news.seed != news.seed:
            seed = f", seed {news.seed}" if self._several_seeds else ""
            row = self._rows[news.framework] = _Row(FRAMEWORKS[news.framework].title + seed, self._batch)
        row.update(news, self.clock())
        if news.record is not None and (self._live is None or (self._several_seeds and row.finished)):
            self.note(self._line(row, news))

    def note(self, text: str) -> None:
        """A line above the rows."""
        self.console.print(text, soft_wrap=True)

    def table(self) -> Table:
        """The display as it is now."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("")
        table.add_column("", width=14)
        for heading in ("epoch", "step", "images/s", "loss", "train", "test", "left"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self._rows.values():
            table.add_row(row.title, self._bar(row), *self._cells(row))
        return table

    def _bar(self, row: _Row) -> ProgressBar | str:
        if row.news is None:
            return "waiting"
        total = row.news.epochs * row.news.steps
        return ProgressBar(total=total, completed=row.done, width=14, pulse=row.news.epoch == 0)

    def _cells(self, row: _Row) -> list[str]:
        news = row.news
        if news is None:
            return []
        if news.epoch == 0:
            return ["preparing"]
        return [
            f"{news.epoch}/{news.epochs}",
            f"{news.step}/{news.steps}",
            f"{row.rate:,.0f}" if row.rate is not None else "",
            f"{news.loss:.4f}",
            f"{news.accuracy:.1%}",
            f"{row.test_accuracy:.1%}" if row.test_accuracy is not None else "",
            "done" if row.finished else self._left(row),
        ]

    def _left(self, row: _Row) -> str:
        """h:mm:ss to the expected end of the whole training."""
        if row.end is None:
            return ""
        seconds = round(max(0.0, row.end - self.clock()))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    def _line(self, row: _Row, news: Progress) -> str:
        left = "" if row.finished else f", {self._left(row)} left"
        return (
            f"{row.title}, epoch {news.epoch}/{news.epochs}: loss {news.loss:.4f}, train accuracy {news.accuracy:.1%}, "
            f"test accuracy {row.test_accuracy or 0:.1%}, {row.rate or 0:,.0f} images/s{left}"
        )
