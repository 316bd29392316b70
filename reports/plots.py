"""Pictures as PNG bytes: curves of a training, bars of speed. The same records give the same bytes.

matplotlib's object interface with its Agg canvas: no display is needed and no global state is touched.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image  # matplotlib itself depends on it

from reports.evidence import epochs_of
from reports.speed_tables import Pair, rate, unlike
from reports.text import TITLES, figures, framework_title
from reports.training_tables import Race

# From the palette of Okabe and Ito: told apart with any colour vision, and by lightness in grey.
COLOURS = {"paddle": "#0072B2", "tensorflow": "#D55E00"}
OTHER = "#555555"
MARKERS = {"paddle": "o", "tensorflow": "s"}
DPI = 150
PALETTE = 128  # colours of a picture: few lines on white need no more
GREY = "#cccccc"


def _png(figure: Figure) -> bytes:
    """The figure on white, so that it can be read on dark pages too; no metadata, and a palette to keep it small."""
    figure.set_dpi(DPI)
    figure.set_facecolor("white")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(PALETTE, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True, dpi=(DPI, DPI))
    return buffer.getvalue()


def _plain_axes(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GREY, linewidth=0.5)
    axes.set_axisbelow(True)


def training_curves(network: str, groups: Sequence[Race]) -> bytes | None:
    """Loss and accuracy by epoch of one network: colour is the framework, dashed is train, solid is test.

    All seeds are drawn. None when no epoch was finished.
    """
    records = [record for race in groups for record in race.trained.values() if record.epochs]
    if not records:
        return None
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for record in records:
        epochs = epochs_of(record)
        numbers = [epoch.epoch for epoch in epochs]
        colour = COLOURS.get(record.framework, OTHER)
        # Marks show where the points are, which a short run needs; a long one would drown in them.
        marker = MARKERS.get(record.framework, "^") if len(epochs) <= 30 else ""
        for split in ("train", "test"):
            for axes, what, scale in ((loss, "loss", 1.0), (accuracy, "accuracy", 100.0)):
                values = [scale * _value(getattr(epoch, f"{split}_{what}")) for epoch in epochs]
                face = colour if split == "test" else "white"
                axes.plot(
                    numbers,
                    values,
                    color=colour,
                    linestyle="solid" if split == "test" else "dashed",
                    linewidth=1.6,
                    marker=marker,
                    markersize=4.5,
                    markerfacecolor=face,
                )
    loss.set_ylabel("loss (nats an image)")
    accuracy.set_ylabel("accuracy (%)")
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        _plain_axes(axes)
    figure.suptitle(network, fontsize=12)
    figure.legend(
        handles=_legend([record.framework for record in records]), loc="outside lower center", ncols=4, frameon=False
    )
    return _png(figure)


def _value(number: float) -> float:
    """The number, or NaN (a gap in the line) when it is none: a diverged loss must not stretch the axis to infinity."""
    return number if isinstance(number, int | float) and math.isfinite(number) else math.nan


def _legend(frameworks: Sequence[str]) -> list[Line2D]:
    """One entry a framework and split."""
    handles = []
    for framework in sorted(set(frameworks)):
        colour = COLOURS.get(framework, OTHER)
        for split in ("train", "test"):
            handles.append(
                Line2D(
                    [],
                    [],
                    color=colour,
                    linestyle="solid" if split == "test" else "dashed",
                    linewidth=1.6,
                    marker=MARKERS.get(framework, "^"),
                    markersize=4.5,
                    markerfacecolor=colour if split == "test" else "white",
                    label=f"{framework_title(framework)}, {split}",
                )
            )
    return handles


def speed_bars(groups: Sequence[Pair], what: str) -> bytes | None:
    """Bars of images a second. None when nothing was measured that can be compared.

    Networks differ by a factor of hundreds, frameworks by a few percent, and the ratio is what compares: so each pair
    of bars is scaled to its faster framework, and the images a second are written at the bars.
    """
    rows = []
    for pair in groups:
        rates = {framework: found for framework in TITLES if (found := rate(pair.measured.get(framework)))}
        if pair.what == what and rates and not (len(rates) == len(TITLES) and unlike(pair)):
            rows.append((pair, rates))
    if not rows:
        return None
    figure = Figure(figsize=(8, 1.2 + 0.55 * len(rows)), layout="constrained")
    axes = figure.subplots()
    height = 0.36
    longest = 100.0
    for place, (_, rates) in enumerate(rows):
        fastest = max(found.median for found in rates.values())
        for offset, framework in enumerate(TITLES):
            if (found := rates.get(framework)) is None:
                continue
            share = 100 * found.median / fastest
            spread = 100 * found.spread / fastest if found.spread else None
            where = place + (offset - 0.5) * height
            error = {"ecolor": "#222222", "capsize": 2, "elinewidth": 1}
            axes.barh(where, share, height * 0.92, color=COLOURS[framework], xerr=spread, error_kw=error)
            longest = max(longest, share + (spread or 0))
            axes.text(share + (spread or 0) + 1, where, figures(found.median), va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{pair.network}\nbatch {pair.batch}" for pair, _ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, longest * 1.12)
    axes.set_xlabel(
        f"{what}: percent of the faster framework (number: images/s; line: ± half the interquartile range)", fontsize=9
    )
    _plain_axes(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    handles = [Line2D([], [], color=COLOURS[name], linewidth=7, label=framework_title(name)) for name in TITLES]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False)
    return _png(figure)
