"""Of a user's models: which one is to be built, and how its steps take part in a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSpec:
    """A model to build, and the form of its input.

    Attributes:
        target: see `parity.catalogue.targets`.
        input: one input's shape: [h, w, c], or of any other rank.
        classes: for a target that takes them.
        tokens: inputs are whole numbers below this.
        weights: a file of weights to load.
        dtype: in which it is compared.
    """

    target: str
    input: list[int]
    classes: int | None = None
    tokens: int | None = None
    weights: str = ""
    dtype: str = "float64"

    @property
    def takes_images(self) -> bool:
        """Whether images can be its inputs."""
        return len(self.input) == 3 and self.input[2] in (1, 3) and not self.tokens


@dataclass(frozen=True)
class Adoption:
    """How a step takes part in a comparison.

    Attributes:
        step: its index in the trace.
        as_dense: a 1x1 convolution of 1x1 maps, compared as the fully connected layer that it is.
        neutral: kinds of arrays that the other model does not have.
    """

    step: int
    as_dense: bool = False
    neutral: list[str] = field(default_factory=list)
