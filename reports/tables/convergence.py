"""Which network learns faster: epochs and seconds to a training accuracy, and whether the two agree."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from parity.records.records import Training
from parity.records.time_to_accuracy import Reach, distinguishing_accuracies, reach
from reports.evidence.experiments import Experiment
from reports.formatting import NOTHING, brief, code, count_text, framework_title, listed, plain, some, table
from reports.tables.training import pace

MOST_ACCURACIES = 5

SHARED = ("recipe", "dataset", "train_images", "batch", "precision", "device")  # what a comparison needs equal


@dataclass(frozen=True)
class Field:
    """Experiments whose networks can be compared: the same recipe on the same data."""

    groups: Sequence[Experiment]

    @property
    def name(self) -> str:
        """The recipe and the size of the data: short, plain, not always unique."""
        record = self.groups[0].sample
        return f"{record.recipe} {record.train_images} images"

    @property
    def title(self) -> str:
        """What they share, in Markdown."""
        record = self.groups[0].sample
        images = f"{count_text(record.train_images)} images"
        where = f", {plain(self.groups[0].versions)}" if self.groups[0].versions else ""
        batch = f"batch {count_text(record.batch)}"
        return f"Recipe {code(record.recipe)} on {plain(record.dataset)}, {images}, {batch}{where}"


@dataclass(frozen=True)
class Median:
    """The median over the seeds of one experiment and framework; a seed that never reached it counts as infinity."""

    epoch: float
    seconds: float
    reached: int
    seeds: int
    first: float  # epochs of the fastest seed
    last: float  # epochs of the slowest seed

    @property
    def text_of(self) -> str:
        """What a table says: epochs and time."""
        if not self.reached:
            return NOTHING
        some_only = f" ({self.reached} of {self.seeds})" if self.reached < self.seeds else ""
        if math.isinf(self.epoch):
            return f"not reached{some_only}"
        return f"{self.epoch:g} / {brief(self.seconds)}{some_only}"


def fields(groups: Sequence[Experiment]) -> list[Field]:
    """The experiments with at least one epoch, put together by what they share; in the order they came in."""
    grouped: dict[tuple[object, ...], list[Experiment]] = {}
    for group in groups:
        if any(record.epochs for framework in group.trained for record in group.records(framework)):
            shared = (group.versions, *(getattr(group.sample, name) for name in SHARED))
            grouped.setdefault(shared, []).append(group)
    return [Field(groups) for groups in grouped.values()]


def accuracies_of(field: Field) -> list[float]:
    """The training accuracies at which the field's runs differ."""
    return distinguishing_accuracies(
        [run for group in field.groups for run in _everything(group)], most=MOST_ACCURACIES
    )


def _everything(group: Experiment) -> list[Training]:
    return [record for framework in group.trained for record in group.records(framework)]


def median_reach(records: Sequence[Training], level: float) -> Median:
    """When the median seed reached a training accuracy of `level` (0..1); `records` are one for each seed."""
    reaches: list[Reach] = [reach(record, [level])[0] for record in records]
    epochs = [math.inf if reached_at.epoch is None else reached_at.epoch for reached_at in reaches]
    seconds = [math.inf if reached_at.seconds is None else reached_at.seconds for reached_at in reaches]
    reached = sum(reached_at.epoch is not None for reached_at in reaches)
    return Median(
        statistics.median(epochs), statistics.median(seconds), reached, len(reaches), min(epochs), max(epochs)
    )


def reach_table(field: Field) -> str | None:
    """Epochs and time to each level, the median over the seeds; None where the runs differ at no level."""
    levels = accuracies_of(field)
    if not levels:
        return None
    headers = ["network", "framework", "seeds", *(f"{100 * level:.0f} %" for level in levels)]
    rows = []
    for group in field.groups:
        for framework in group.trained:
            records = group.records(framework)
            names = [group.label, framework_title(framework), str(len(records))]
            rows.append(names + [median_reach(records, level).text_of for level in levels])
    return table(headers, rows, headers[2:])


@dataclass(frozen=True)
class Entrant:
    """One network on its way to a level, in one framework."""

    group: Experiment
    median: Median
    epoch_seconds: float


def answers(field: Field) -> list[str]:
    """Does the network that needs fewer epochs also need less time? One Markdown line a framework, if shown.

    Compared at the highest level that most networks reached, at least two. A network counts only where more than half
    of its seeds reached it; "fewer epochs" is said only where the slowest seed of the one needs fewer than the fastest
    of the other.
    """
    lines = []
    for framework in dict.fromkeys(name for group in field.groups for name in group.trained):
        level, entrants = _entrants(field, framework)
        if len(entrants) > 1:
            lines.append(f"- {framework_title(framework)}, to {100 * level:.0f} %: {_answer(entrants)}")
    return lines


def _entrants(field: Field, framework: str) -> tuple[float, list[Entrant]]:
    """The level at which most networks can be compared, the highest of these, and the networks there."""
    best: tuple[float, list[Entrant]] = (0.0, [])
    for level in accuracies_of(field):
        entrants: dict[str, Entrant] = {}
        for group in field.groups:
            records = group.records(framework)
            if not records:
                continue
            median, seconds = median_reach(records, level), pace(records).seconds
            # of one network's experiments (say, 20 and 80 epochs) the one with more seeds there
            rival = entrants.get(group.network)
            if math.isfinite(median.epoch) and seconds and (rival is None or rival.median.reached < median.reached):
                entrants[group.network] = Entrant(group, median, seconds)
        if len(entrants) >= max(2, len(best[1])):
            best = (level, list(entrants.values()))
    return best


def _answer(entrants: Sequence[Entrant]) -> str:
    """One sentence of figures, and one of what follows from them."""
    by_epochs = sorted(entrants, key=lambda entrant: (entrant.median.epoch, entrant.median.seconds))
    figures = listed(
        [
            f"{code(entrant.group.network)} {some_epochs(entrant.median.epoch)} of {brief(entrant.epoch_seconds)} "
            f"({brief(entrant.median.seconds)}, {some(entrant.median.seeds, 'seed')})"
            for entrant in by_epochs
        ]
    )
    first, second = by_epochs[:2]
    quickest = min(entrants, key=lambda entrant: entrant.median.seconds)
    if not first.median.last < second.median.first:
        clear = f"{code(first.group.network)} and {code(second.group.network)} do not differ clearly in their epochs"
        return f"{figures}. {clear}; the shortest time is that of {code(quickest.group.network)}."
    longer = [code(entrant.group.network) for entrant in by_epochs[1:] if entrant.epoch_seconds < first.epoch_seconds]
    name = code(first.group.network)
    if not longer:
        words = f"{name} needs the fewest epochs, and none of the others has shorter ones"
    else:
        words = f"{name} needs the fewest epochs, but they are longer than those of {listed(longer)}"
    if quickest is first:
        return f"{figures}. {words}; it is there first in time too."
    return f"{figures}. {words}; in time {code(quickest.group.network)} is there first."


def some_epochs(number: float) -> str:
    """`1 epoch`, `3.5 epochs`."""
    return f"{number:g} epoch" if number == 1 else f"{number:g} epochs"
