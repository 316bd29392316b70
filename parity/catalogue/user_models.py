"""Of models that somebody else wrote: which one is to be built, and how its steps take part in a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSpec:
    """A model to build, and what is to be fed to it."""

    target: str  # see parity.runtime.targets
    input: list[int]  # one input's shape: [h, w, c], or of any other rank
    classes: int | None = None
    tokens: int | None = None  # inputs are whole numbers below this
    weights: str = ""  # a file of weights to load into it
    dtype: str = "float64"  # in which it is compared


@dataclass(frozen=True)
class Adoption:
    """How a step takes part in a comparison."""

    step: int  # its index in the trace
    as_dense: bool = False  # a 1x1 convolution of 1x1 maps, compared as the fully connected layer that it is
    neutral: list[str] = field(default_factory=list)  # kinds of arrays that the other model does not have
