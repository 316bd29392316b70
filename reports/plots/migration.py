"""A migration along depth: the picture of every matched layer's gap, and of the layers where a cause was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from parity.printable import printable
from parity.records.migrations import MatchedLayer, Migration
from reports.album import Album
from reports.formatting import is_number, some
from reports.plots.style import COLOURS, OTHER, plain_axes, png

BLACK = "#000000"  # few marks in a colour of their own would lose it to the palette of the picture

NO_KNOWN_TRAP = "no known trap"

LABELS = 9  # names on the axis of depth: more would run into each other

LONGEST_LABEL = 24  # characters of a name on that axis

MOST_MARKED_LAYERS = 40  # layers; each has a mark as long as there are no more

EMPTY = float("nan")


def depth_section(comparison: Migration, album: Album) -> str:
    """The picture and how to read it; empty where no layer was compared."""
    if (picture := gaps_along_depth(comparison)) is None:
        return ""
    words = (
        "A difference raises the gap at its layer, and up to the next one that gets TensorFlow's numbers, so that one "
        "difference hides no other. The numbers are those of the table of matched layers."
    )
    drawn = sum(map(len, _indices_by_trap(comparison).values()))
    if drawn:
        words += " Under the curves, a mark shows each layer where a cause was found"
        beside = any(cause.stage in comparison.marks for cause in comparison.causes)
        words += ", or the next one where it is at none of these layers." if beside else "."
    if off := len(comparison.causes) - drawn:
        words += f" {some(off, 'cause')} without a place in the picture."
    return "\n\n".join(
        ["## Gaps along depth", album.add("Gaps of the matched layers", "migration_gaps", picture), words]
    )


def gaps_along_depth(comparison: Migration) -> bytes | None:
    """Gaps of the matched layers, logarithmic, with a row under them for each trap that was found.

    A gap of zero has no place on the axis and is marked at its lower end, one that is no number at its upper end. None
    when nothing was compared.
    """
    gaps = [stage.gap for stage in comparison.stages]
    limits = [stage.limit for stage in comparison.stages if is_number(stage.limit)]
    if not limits:
        return None
    traps = _indices_by_trap(comparison)
    figure = Figure(figsize=(8, 4.3 + 0.25 * len(traps)), layout="constrained")
    ratios = [1.0, 0.085 * len(traps)] if traps else [1.0]
    everything = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    axes, depth = everything[0], range(1, len(gaps) + 1)
    style = {"marker": "o", "markersize": 3.5 if len(gaps) <= MOST_MARKED_LAYERS else 1.8}
    axes.plot(depth, [_positive(gap) for gap in gaps], color=BLACK, linewidth=1.3, **style)
    axes.plot(depth, [_positive(stage.limit) for stage in comparison.stages], **_dashed())
    axes.set_yscale("log")
    handles = _handles() + _off_the_axis(axes, comparison.stages)
    axes.set_ylabel("gap, relative to the layer's largest value", fontsize=9)
    plain_axes(axes)
    if traps:
        _raster(everything[1], traps)
    ticks = _few(len(gaps))
    names = [f"{index} {_short(comparison.stages[index - 1].first)}" for index in ticks]
    everything[-1].set_xticks(ticks, names, rotation=30, ha="right", rotation_mode="anchor", parse_math=False)
    everything[-1].tick_params(axis="x", labelsize=8)
    everything[-1].set_xlim(0.3, len(gaps) + 0.7)
    everything[-1].set_xlabel("matched layers of the TensorFlow model, from input to output", fontsize=9)
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2 if len(handles) < 5 else 3, frameon=False, fontsize=8
    )
    return png(figure)


def _indices_by_trap(comparison: Migration) -> dict[str, list[int]]:
    """By trap, the places along the depth where it was found; in the order of their first ones."""
    order = {stage.first: index for index, stage in enumerate(comparison.stages, 1)}
    traps: dict[str, list[int]] = {}
    for cause in comparison.causes:
        if (index := order.get(cause.stage, order.get(comparison.marks.get(cause.stage, "")))) is not None:
            traps.setdefault(cause.trap or NO_KNOWN_TRAP, []).append(index)
    return dict(sorted(traps.items(), key=lambda item: min(item[1])))


def _positive(value: Any) -> float:
    return value if is_number(value) and value > 0 else EMPTY


def _off_the_axis(axes: Axes, stages: Sequence[MatchedLayer]) -> list[Line2D]:
    """Mark what a logarithmic axis cannot show, and give the legend's entries for it."""
    compared = [(index, stage.gap) for index, stage in enumerate(stages, 1) if is_number(stage.limit)]
    shapes = [index for index, stage in enumerate(stages, 1) if stage.problem and not is_number(stage.gap)]
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    handles = []
    for label, marker, colour, edge, indices in (
        ("exactly equal", "o", BLACK, low, [index for index, gap in compared if gap == 0]),
        (
            "not a number",
            "X",
            COLOURS["tensorflow"],
            high,
            [n for n, gap in compared if not is_number(gap) and n not in shapes],
        ),
        ("other shape", "s", COLOURS["tensorflow"], high, shapes),
    ):
        if indices:
            look: dict[str, Any] = {"linestyle": "none", "marker": marker, "color": colour, "markersize": 5}
            look |= {"markerfacecolor": "white"} if edge == low else {}
            axes.plot(indices, [edge] * len(indices), clip_on=False, zorder=5, **look)
            handles.append(Line2D([], [], label=label, **look))
    return handles


def _raster(axes: Axes, traps: dict[str, list[int]]) -> None:
    """A row for each trap, a mark at each layer where it was found."""
    for height, indices in enumerate(traps.values()):
        axes.plot(indices, [height] * len(indices), linestyle="none", marker="|", color=BLACK, markersize=9, mew=2.2)
    labels = [f"{_short(trap)} ({len(indices)})" for trap, indices in traps.items()]
    axes.set_yticks(range(len(traps)), labels, parse_math=False)
    axes.set_ylim(len(traps) - 0.4, -0.6)
    plain_axes(axes)
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.grid(visible=False, axis="y")


def _dashed() -> dict[str, Any]:
    return {"color": OTHER, "linewidth": 0.9, "linestyle": "dashed"}


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color=BLACK, linewidth=1.3, label="gap of the two models"),
        Line2D([], [], label="limit", **_dashed()),
    ]


def _few(count: int) -> list[int]:
    """At most LABELS places of 1 to `count`, evenly spread, the first and the last among them."""
    if count <= LABELS:
        return list(range(1, count + 1))
    return [1 + round(number * (count - 1) / (LABELS - 1)) for number in range(LABELS)]


def _short(name: str) -> str:
    """The end of a name, in which layers differ; its beginning is often the same."""
    name = " ".join(printable(name).split())
    return name if len(name) <= LONGEST_LABEL else f"…{name[1 - LONGEST_LABEL :]}"
