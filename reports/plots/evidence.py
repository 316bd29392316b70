"""Pictures of levels 9 and 10: where losses diverge, and the intervals of the tests of equivalence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from parity.records.records import Curves, RunPair
from reports.evidence.loss_curves import pairs_of, precisions, relative_differences
from reports.evidence.outcomes import Tested, holds
from reports.formatting import TITLES, framework_title, is_number, some
from reports.plots.style import COLOURS, GREY, OTHER, label, number, plain_axes, png, whole_numbers

BOTH_COLOUR = "#000000"  # the pair of frameworks, drawn over each framework's own divergence

VERDICTS = {"equivalent": "#009E73", "different": "#D55E00"}

WIDEST = 5  # margins to either side; the interval of two seeds may be a hundred of them wide

EDGE = 1.08  # the axis ends a little further out than what is drawn


def parting_curves(curves: Curves, title: str) -> bytes | None:
    """Relative difference of the loss against the step, logarithmic, a panel for each precision.

    Black is the pair of frameworks, a colour one framework against itself. Equal losses (a difference of zero) have no
    place on the axis and leave a gap. None when no pair has a difference above zero.
    """
    panels = {
        precision: [(pair, [_positive(value) for value in relative_differences(curves, pair)]) for pair in pairs]
        for precision in precisions(curves)
        if (pairs := pairs_of(curves, precision))
    }
    if not any(is_number(value) for pairs in panels.values() for _, values in pairs for value in values):
        return None
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    everything = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (precision, drawn) in zip(everything, panels.items(), strict=True):
        for pair, values in reversed(drawn):  # the frameworks come first, and are drawn last: on top
            colour = _colour(pair)
            axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=1.5 if colour == BOTH_COLOUR else 1.0)
            if pair.parted is not None:
                axes.axvline(pair.parted, color=colour, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.axhline(curves.together, color=OTHER, linewidth=0.9, linestyle="dashed")
        axes.set_yscale("log")
        axes.set_title(label(precision), fontsize=10)
        axes.set_xlabel("step")
        whole_numbers(axes)
        plain_axes(axes)
    everything[0].set_ylabel("relative difference of the loss")
    figure.suptitle(label(title), fontsize=12)
    figure.legend(handles=_handles(panels), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return png(figure)


def _positive(value: float) -> float:
    return value if number(value) > 0 else math.nan


def _colour(pair: RunPair) -> str:
    if pair.meaning == "frameworks":
        return BOTH_COLOUR
    return COLOURS.get(pair.one.partition(" ")[0], OTHER)


def _handles(panels: dict[str, list[tuple[RunPair, list[float]]]]) -> list[Line2D]:
    """One entry a colour that is drawn, and the limit."""
    colours = {_colour(pair) for pairs in panels.values() for pair, _ in pairs}
    labels = {BOTH_COLOUR: "both frameworks"}
    labels |= {COLOURS[name]: f"{framework_title(name)} and itself, perturbed" for name in TITLES}
    drawn = [
        Line2D([], [], color=colour, linewidth=2, label=words) for colour, words in labels.items() if colour in colours
    ]
    return [*drawn, Line2D([], [], color=OTHER, linewidth=0.9, linestyle="dashed", label="limit")]


def intervals(tests: Sequence[Tested]) -> bytes | None:
    """A row for each test: the difference of the means, its interval, the margin as a grey field.

    A test without an interval says so in words. None where no test has one.
    """
    if not any(_bounded(test) for test in tests):
        return None
    figure = Figure(figsize=(8, 1.3 + 0.36 * len(tests)), layout="constrained")
    axes = figure.subplots()
    widest = max(test.record.margin for test in tests)
    bounds = [abs(bound) for test in tests for bound in test.record.interval if is_number(bound)]
    shown = min(max([widest, *bounds]), WIDEST * widest)
    for row, test in enumerate(tests):
        record = test.record
        axes.add_patch(Rectangle((-record.margin, row - 0.4), 2 * record.margin, 0.8, color=GREY, alpha=0.6, lw=0))
        colour = VERDICTS.get(_verdict(test), OTHER)
        if not _bounded(test):
            axes.text(0, row, "no interval: too few seeds", ha="center", va="center", fontsize=8)
            continue
        low, high = record.interval
        axes.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        for end in (low, high):
            axes.plot([end, end], [row - 0.14, row + 0.14], color=colour, linewidth=1.4)
            if abs(end) > shown:  # an arrow shows that it continues
                edge = math.copysign(shown * EDGE, end)
                axes.plot([edge], [row], color=colour, marker=">" if end > 0 else "<", markersize=6, clip_on=False)
        axes.plot([record.difference], [row], color=colour, marker="o", markersize=5)
    axes.axvline(0, color=OTHER, linewidth=0.8)
    axes.set_xlim(-EDGE * shown, EDGE * shown)
    axes.set_ylim(len(tests) - 0.4, -0.6)
    axes.set_yticks(
        range(len(tests)),
        [f"{label(test.title)}\n{some(len(test.record.seeds), 'seed')}" for test in tests],
        fontsize=8,
    )
    axes.tick_params(axis="y", length=0)
    first, second = TITLES.values()
    axes.set_xlabel(f"final test accuracy, {first} less {second} (points); grey: the margin", fontsize=9)
    plain_axes(axes)
    axes.grid(visible=False, axis="y")
    words = dict.fromkeys(_verdict(test) for test in tests)
    handles = [
        Line2D([], [], color=VERDICTS.get(w, OTHER), marker="o", linewidth=2, label=label(w)) for w in sorted(words)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return png(figure)


def _bounded(test: Tested) -> bool:
    """Whether there is an interval to draw."""
    record = test.record
    return all(map(is_number, (record.difference, *record.interval)))


def _verdict(test: Tested) -> str:
    if test.record.verdict == "equivalent" and not holds(test.record):
        return "undecided"
    return test.record.verdict
