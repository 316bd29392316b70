"""How near the numbers of two correct models come to each other, in the precision in which they compute."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parity.numerics.tolerance import FLOAT32_ROUNDING, FLOAT64_ROUNDING

# By precision, half the distance of neighbouring numbers, relative: 53, 24, 11 and 8 bits of a number are kept.
UNIT_ROUNDOFF = {"float64": FLOAT64_ROUNDING, "float32": FLOAT32_ROUNDING, "float16": 2.0**-11, "bfloat16": 2.0**-8}


@dataclass(frozen=True)
class Closeness:
    """Limits for how far values may be apart that are the same but for rounding.

    They only put two models together and say where values part; the verdict follows from limits that are derived for
    the outputs at hand, see `parity.migration.prove.outputs`.

    Attributes:
        precision: "float64", "float32", "float16" or "bfloat16".
        weights: a precision to which weights of one of the models were rounded; empty where both have the same.
    """

    precision: str = "float64"
    weights: str = ""

    @property
    def derived(self) -> bool:
        """Whether the limits for outputs follow from rounding alone: from float64 a fixed one can be asked for."""
        return self.precision != "float64" or bool(self.weights)

    @property
    def rounding(self) -> float:
        """The largest relative error of one rounding."""
        return UNIT_ROUNDOFF[self.precision]

    @property
    def sums(self) -> bool:
        """Whether a sum is rounded after each addition; frameworks add up half precision in float32."""
        return self.precision in ("float64", "float32")

    @property
    def exact(self) -> float:
        """Of signatures: the same numbers but for rounding.

        Between the rounding of float64 and what differs by nothing but a constant in float32, 1e-8, there is room for
        a million roundings. In float32 a sum of 4096 products makes a random walk of 64 roundings, and some layers
        amplify it: 512 of them, 3e-5. In half precision each layer rounds its result once: 64 layers make a walk of 8.
        """
        return {"float64": 1e-10, "float32": 512 * FLOAT32_ROUNDING}.get(self.precision, 8 * self.rounding)

    @property
    def near(self) -> float:
        """Of signatures: the same numbers but for something small; midway between `exact` and 1."""
        return math.sqrt(self.exact)

    @property
    def constants(self) -> float:
        """Values that are made with the same constants; those of float64 models may be held in float32."""
        return max(1e-5, self.exact)

    @property
    def order(self) -> float:
        """Of the profiles of values that are near: they belong to axes in this order."""
        return min(0.1, max(1e-2, 4 * self.exact))

    @property
    def exact_order(self) -> float:
        """As `order`, of values that are the same: sums of cubes, in which much cancels, amplify what is left."""
        return min(self.order, 1e4 * self.exact)

    @property
    def parting(self) -> float:
        """Values that part by less than this part by a rounding; float64 models have constants in float32."""
        return 4 * max(self.rounding, FLOAT32_ROUNDING)

    @property
    def shown(self) -> float:
        """Of two runs of one reference: they differ by more than rounding."""
        return 64 * self.rounding

    @property
    def confirmed(self) -> float:
        """A reference in numpy comes so near to what a framework computes, also where that is in float32."""
        return max(1e-7, self.exact)

    @property
    def empty(self) -> float:
        """Outputs that rounding changes by more than this show nothing of a model."""
        return 0.5 if self.derived else FLOAT32_ROUNDING


FLOAT64 = Closeness()


def coarsest(precisions: list[str]) -> str:
    """The precision that decides how far two models can be compared.

    Args:
        precisions: of each, as `OpenModel` has it; of a mixed policy that in which it computes.

    Returns:
        One of `UNIT_ROUNDOFF`.
    """
    return max((one.removeprefix("mixed_") for one in precisions), key=lambda name: UNIT_ROUNDOFF[name])
