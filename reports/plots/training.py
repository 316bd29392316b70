"""Pictures of training: loss and accuracy by epoch, and training accuracy against epochs and against time."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from parity.records.records import Epoch, Training
from reports.evidence.experiments import Experiment
from reports.formatting import framework_order, framework_title
from reports.plots.style import (
    COLOURS,
    LINES,
    MARKERS,
    NETWORK_COLOURS,
    OTHER,
    label,
    number,
    plain_axes,
    png,
    whole_numbers,
)
from reports.tables.convergence import Field

MOST_MARKED_IN_COMPARISON = 12  # epochs that are marked where many networks share a picture

MOST_MARKED_EPOCHS = 30  # epochs; marks show the points of a short run, and would hide those of a long one

STOPPED_WIDTH = 0.8  # line width of a run that stopped early, beside the others


def training_curves(group: Experiment) -> bytes | None:
    """Loss and accuracy by epoch of one experiment: colour is the framework, dashed is train, solid is test.

    Several seeds make a band from their lowest to their highest value around their mean; a run that stopped early is
    drawn as a thin line of its own. None when no epoch was finished.
    """
    if not any(record.epochs for framework in group.trained for record in group.records(framework)):
        return None
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    banded = False
    for framework in group.trained:
        longest = max(len(record.epochs) for record in group.records(framework))
        whole = [record for record in group.records(framework) if len(record.epochs) == longest > 0]
        rest = [record for record in group.records(framework) if 0 < len(record.epochs) < longest]
        banded |= len(whole) > 1
        for split, (axes, what, scale) in itertools.product(
            ("train", "test"), ((loss, "loss", 1.0), (accuracy, "accuracy", 100.0))
        ):
            _curve(axes, framework, split, _values(whole, f"{split}_{what}", scale))
            for record in rest:
                _thin(axes, framework, split, _values([record], f"{split}_{what}", scale)[0])
    loss.set_ylabel("loss (nats an image)")
    accuracy.set_ylabel("accuracy (%)")
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        whole_numbers(axes)
        plain_axes(axes)
    seeds = "\nmean of the seeds; the band is from the lowest to the highest" if banded else ""
    figure.suptitle(label(group.title) + seeds, fontsize=11 if banded else 12)
    handles = [_handle(framework, split) for framework in group.trained for split in ("train", "test")]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return png(figure)


def _values(records: Sequence[Training], field: str, scale: float) -> np.ndarray:
    """float64 [runs, epochs]; NaN where a value is no number."""
    return np.array([[scale * number(getattr(epoch, field)) for epoch in record.epochs] for record in records])


def _curve(axes: Axes, framework: str, split: str, values: np.ndarray) -> None:
    """The mean of several runs with a band, or the one run with marks."""
    if not len(values):
        return
    epochs = np.arange(1, values.shape[1] + 1)
    colour = COLOURS.get(framework, OTHER)
    if len(values) > 1:
        axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.plot(epochs, values.mean(axis=0), **_style(framework, split, marked=len(epochs) <= MOST_MARKED_EPOCHS))


def _thin(axes: Axes, framework: str, split: str, values: np.ndarray) -> None:
    style = _style(framework, split, marked=False) | {"linewidth": STOPPED_WIDTH}
    axes.plot(np.arange(1, len(values) + 1), values, **style)


def _style(framework: str, split: str, *, marked: bool) -> dict[str, Any]:
    colour = COLOURS.get(framework, OTHER)
    return {
        "color": colour,
        "linestyle": "solid" if split == "test" else "dashed",
        "linewidth": 1.6,
        "marker": MARKERS.get(framework, "^") if marked else "",
        "markersize": 4.5,
        "markerfacecolor": colour if split == "test" else "white",
    }


def _handle(framework: str, split: str) -> Line2D:
    return Line2D(
        [], [], label=f"{label(framework_title(framework))}, {split}", **_style(framework, split, marked=True)
    )


def convergence_curves(field: Field) -> bytes | None:
    """Training accuracy against epochs and against seconds: colour is the network, dashes the framework.

    Several seeds are drawn as their mean. None when no run has two epochs.
    """
    curves = [
        (group, framework, mean_path)
        for group in field.groups
        for framework in group.trained
        if (mean_path := _mean_path(group.records(framework))) is not None
    ]
    if not any(len(path[0]) > 1 for _, _, path in curves):
        return None
    colours = dict(zip((group.title for group in field.groups), itertools.cycle(NETWORK_COLOURS), strict=False))
    longest = max(path[1][-1] for _, _, path in curves)
    unit, size = ("hours", 3600) if longest >= 7200 else ("minutes", 60) if longest >= 120 else ("seconds", 1)
    rows = -(-(len(colours) + 1) // 3)
    figure = Figure(figsize=(8, 3.2 + 0.22 * rows), layout="constrained")
    by_epoch, by_time = figure.subplots(1, 2, sharey=True)
    for group, framework, (accuracies, seconds) in curves:
        style: dict[str, Any] = {
            "color": colours[group.title],
            "linestyle": LINES.get(framework, "dotted"),
            "linewidth": 1.5,
        }
        if len(accuracies) <= MOST_MARKED_IN_COMPARISON:
            style |= {"marker": MARKERS.get(framework, "^"), "markersize": 4}
        by_epoch.plot(range(1, len(accuracies) + 1), accuracies, **style)
        by_time.plot([moment / size for moment in seconds], accuracies, **style)
    by_epoch.set_ylabel("training accuracy (%)")
    by_epoch.set_xlabel("epoch")
    whole_numbers(by_epoch)
    by_time.set_xlabel(f"{unit} of training")
    by_time.set_xlim(left=0)
    for axes in (by_epoch, by_time):
        plain_axes(axes)
    frameworks = sorted({framework for _, framework, _ in curves}, key=framework_order)
    handles = [Line2D([], [], color=colour, linewidth=3, label=label(title)) for title, colour in colours.items()]
    handles += [
        Line2D(
            [], [], color=OTHER, linestyle=LINES.get(name, "dotted"), linewidth=1.5, label=label(framework_title(name))
        )
        for name in frameworks
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return png(figure)


def _mean_path(records: Sequence[Training]) -> tuple[list[float], list[float]] | None:
    """Training accuracy (%) and seconds passed after each epoch: means over the runs that came furthest."""
    longest = max((len(record.epochs) for record in records), default=0)
    runs = [record.epochs for record in records if len(record.epochs) == longest]
    if not longest:
        return None

    def mean(value: Callable[[Epoch], float]) -> list[float]:
        return [statistics.fmean(number(value(run[epoch])) for run in runs) for epoch in range(longest)]

    accuracies = [100 * accuracy for accuracy in mean(lambda epoch: epoch.train_accuracy)]
    return accuracies, list(itertools.accumulate(mean(lambda epoch: epoch.seconds)))
