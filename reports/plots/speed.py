"""The picture of speed: bars of images a second."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.formatting import TITLES, figures, framework_title
from reports.plots.style import COLOURS, label, plain_axes, png
from reports.tables.speed import SpeedPair, rate, unlike


def speed_bars(groups: Sequence[SpeedPair], what: str) -> bytes | None:
    """Bars of images a second. None when nothing was measured that can be compared.

    Networks differ by a factor of hundreds, frameworks by a few percent, and the ratio is what compares: so each pair
    of bars is scaled to its faster framework, and the images a second are written at the bars.
    """
    rows = []
    for pair in groups:
        rates = {
            framework: images_per_second
            for framework in TITLES
            if (images_per_second := rate(pair.measured.get(framework)))
        }
        if pair.what == what and rates and not (len(rates) == len(TITLES) and unlike(pair)):
            rows.append((pair, rates))
    if not rows:
        return None
    figure = Figure(figsize=(8, 1.2 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    height = 0.36
    longest = 100.0
    for row, (_, rates) in enumerate(rows):
        fastest = max(images_per_second.median for images_per_second in rates.values())
        for offset, framework in enumerate(TITLES):
            if (images_per_second := rates.get(framework)) is None:
                continue
            share = 100 * images_per_second.median / fastest
            spread = 100 * images_per_second.spread / fastest if images_per_second.spread else None
            where = row + (offset - 0.5) * height
            error = {"ecolor": "#222222", "capsize": 2, "elinewidth": 1}
            axes.barh(where, share, height * 0.92, color=COLOURS[framework], xerr=spread, error_kw=error)
            longest = max(longest, share + (spread or 0))
            axes.text(share + (spread or 0) + 1, where, figures(images_per_second.median), va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{label(pair.network)}\nbatch {pair.batch}" for pair, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, longest * 1.12)
    axes.set_xlabel(
        f"{what}: percent of the faster framework (number: images/s; line: ± half the interquartile range)", fontsize=9
    )
    plain_axes(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelsize=8)
    handles = [Line2D([], [], color=COLOURS[name], linewidth=7, label=framework_title(name)) for name in TITLES]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False)
    return png(figure)
