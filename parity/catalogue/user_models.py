"""Of a user's models: which one is to be built, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

WHOLE = "int"  # a dtype: whole numbers in the type that a framework prefers, int32 in TensorFlow and int64 in Paddle


@dataclass(frozen=True)
class InputSpec:
    """The form of one of a model's inputs.

    Attributes:
        shape: of one input without the batch, channels last: [h, w, c], [t, c], [n], or [] for one number.
        name: the user's for it; empty where it has none.
        tokens: inputs are whole numbers below this.
        dtype: empty for floating-point numbers, which a model gets in the precision that it is built in, as it does of
            "float32" and "float64"; else "int", "int32", "int64", "bool", "float16", ...
    """

    shape: list[int]
    name: str = ""
    tokens: int | None = None
    dtype: str = ""

    @property
    def whole(self) -> bool:
        """Whether inputs are whole numbers."""
        return self.tokens is not None or self.dtype.lstrip("u").startswith("int")

    @property
    def limit(self) -> int:
        """Of whole numbers: they are below this; 0 and 1 where the user has not said so."""
        return self.tokens or 2

    @property
    def is_mask(self) -> bool:
        """Whether it says which elements of another input are real: true, or 1, where they are."""
        return self.dtype == "bool" or ("mask" in self.name.lower() and self.tokens in (None, 2))

    @property
    def is_length(self) -> bool:
        """Whether it says how many elements of another input are real."""
        return self.whole and "len" in self.name.lower() and self.shape in ([], [1])

    @property
    def takes_images(self) -> bool:
        """Whether images can be its inputs."""
        return len(self.shape) == 3 and self.shape[2] in (1, 3) and not self.whole and not self.is_mask

    def __str__(self) -> str:
        """As the user writes it: `ids=12:int:1000`."""
        parts = [",".join(map(str, self.shape)) or "scalar"]
        parts += [self.dtype or WHOLE, str(self.tokens)] if self.tokens else [self.dtype] if self.dtype else []
        return f"{self.name}=" * bool(self.name) + ":".join(parts)


def input_keys(specs: Sequence[InputSpec]) -> list[str]:
    """The names under which the inputs' arrays are sent: the user's, or their places in the order.

    Example:
        >>> input_keys([InputSpec([4]), InputSpec([2])])
        ['0', '1']
    """
    return [one.name or str(index) for index, one in enumerate(specs)]


@dataclass(frozen=True)
class ModelSpec:
    """A model to build, and the form of its inputs.

    Attributes:
        target: see `parity.catalogue.targets`.
        inputs: in the order in which the user gave them.
        classes: for a target that takes them.
        weights: a file of weights to load.
        dtype: in which it is compared.
        nan: whether it is built with NaN in its own weights, too.
    """

    target: str
    inputs: list[InputSpec]
    classes: int | None = None
    weights: str = ""
    dtype: str = "float64"
    nan: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The spec of which `dataclasses.asdict` made plain values."""
        return cls(**{**values, "inputs": [InputSpec(**one) for one in values["inputs"]]})

    @property
    def takes_images(self) -> bool:
        """Whether images can be one of its inputs."""
        return any(one.takes_images for one in self.inputs)

    @property
    def inputs_text(self) -> str:
        """The inputs as options of a command."""
        return " ".join(f"--input {one}" for one in self.inputs)
