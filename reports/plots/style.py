"""What all pictures share: PNG bytes, colours, axes. The same records give the same bytes.

matplotlib's object interface with its Agg canvas: no display is needed and no global state is touched.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image  # matplotlib itself depends on it

from parity.printable import printable

# From the palette of Okabe and Ito: distinct with any colour vision, and by lightness in grey.
COLOURS = {"paddle": "#0072B2", "tensorflow": "#D55E00"}

OTHER = "#555555"

NETWORK_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

MARKERS = {"paddle": "o", "tensorflow": "s"}

LINES: dict[str, Any] = {"paddle": "solid", "tensorflow": (0, (4, 1.5))}  # where the colour is the network

DPI = 150

PALETTE = 128  # colours of a picture: few lines on white need no more

GREY = "#cccccc"

LONGEST_LABEL = 60  # characters of a name


def png(figure: Figure) -> bytes:
    """The figure on white, so that it can be read on dark pages too; no metadata, and a palette to keep it small."""
    figure.set_dpi(DPI)
    figure.set_facecolor("white")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(PALETTE, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True, dpi=(DPI, DPI))
    return buffer.getvalue()


def plain_axes(axes: Axes) -> None:
    """No box, a light grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GREY, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)


def whole_numbers(axes: Axes) -> None:
    """Ticks of the x axis at whole numbers only: epochs, steps."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def label(name: object) -> str:
    """A name from a record as matplotlib is to draw it: on one line, in which a dollar begins no formula."""
    text = " ".join(printable(name).split())
    if len(text) > LONGEST_LABEL:
        text = f"{text[: LONGEST_LABEL // 2]}...{text[-LONGEST_LABEL // 4 :]}"
    return text.replace("$", r"\$")


def number(value: float) -> float:
    """The number, or NaN (a gap in the line) when it is none: a diverged loss must not stretch the axis to infinity."""
    return value if isinstance(value, int | float) and math.isfinite(value) else math.nan
